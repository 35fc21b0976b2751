"""OpenADR 3.1, the side of the home (a VEN): events of a utility's or aggregator's programmes, and reports to it.

What a programme says is read from its server (a VTN) over HTTP, checked, and becomes values and limits with an
end; who acts on them is the agent (`gateway.agent.programme`) and, for prices, a price feed
(`gateway.feeds.openadr`). Names and rules are those of the OpenADR 3.1.1 definition and user guide.
"""
