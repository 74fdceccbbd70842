"""Numbers as text and pages write them."""


def percent(share: float, digits: int = 0) -> str:
    """Return a share, 0 to 1, in per cent, `95 %`: a space before the sign, as the SI has it."""
    return f"{share:.{digits}%}".replace("%", " %")
