"""One decision a tick: snapshot, order and limits in, setpoints and their reason out (`decide`). Pure.

Priority: fuse > grid operator > reserve > committed delivery > price > comfort (`limits`); what prices ask
for is in `economics`, the batteries' part in `batteries`, the cars' in `cars` and `charging`, sun that is
held back in `throttled`, calm in `damping`.
"""
