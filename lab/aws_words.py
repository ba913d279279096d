"""How many words the lab's EC2 takes, where moto takes any.

Source: EC2 API Reference, "Error codes for the Amazon EC2 API" (FilterLimitExceeded), CreateSecurityGroup, CreateSnapshots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lab.aws_rules import Refusal

#: Values of one filter, and characters of a description.
MOST_VALUES, LONGEST = 200, 255
_DESCRIPTIONS = ("Description", "GroupDescription")


def check(form: Mapping[str, str]) -> None:
    """Refusal of a request that has too many, or too long ones."""
    values = Counter(key.rpartition(".Value.")[0] for key in form if key.startswith("Filter.") and ".Value." in key)
    if any(count > MOST_VALUES for count in values.values()):
        sentence = f"The maximum number of filter values specified on a single call is {MOST_VALUES}"
        raise Refusal("FilterLimitExceeded", sentence)
    for word in _DESCRIPTIONS:
        if len(form.get(word, "")) > LONGEST:
            raise Refusal(
                "InvalidParameterValue", f"Value for parameter {word} is invalid: more than {LONGEST} characters"
            )
