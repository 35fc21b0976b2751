"""Changes the code in small ways and looks whether a test notices.

python -m benchmarks.mutation [--sample N] [--seed S] [--room NAME ...] [--minutes M] [--workers W]
python -m benchmarks.mutation --room connection --tests tests/modbus     quick: judged by these tests alone
python -m benchmarks.mutation --only 'gateway/control/limits.py:41:17:a'    one mutant again, with its output

The rooms are those in which a wrong line costs a battery, a fuse or money. A sample is drawn with
a seed; for each mutant the tests run that execute the changed line (known from one covered run,
kept in build/mutation), quickest first, until one fails. What no test notices is printed and is
the figure: survivors in a lease, a limit or an amount of money are a gap in the tests. Mutants
that change nothing a user could see stand in ``same.txt``, each with its reason.
"""
