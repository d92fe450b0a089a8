"""PAdES signatures of what we print (ETSI EN 319 142): made by pyHanko, whose one home this is."""

import logging

# What does not verify is a finding or a refusal of ours; its traces would only stand beside it.
for _name in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)
