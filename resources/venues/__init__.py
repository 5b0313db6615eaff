"""Adapters to the venues and publishers of real data, one module each, behind the ports of `port`.

They speak the venue's language and hand over its rows with honest stamps; what becomes of the rows is
`resources.market`'s business.
"""
