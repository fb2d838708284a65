"""One input, divided between two who speak by turns."""


def turns(data: bytes) -> list[tuple[int, bytes]]:
    """The first byte of each piece says from whom it comes, the second how long it is."""
    pieces = []
    while len(data) > 1:
        side, size = data[0] & 1, data[1]
        pieces.append((side, data[2 : 2 + size]))
        data = data[2 + size :]
    return pieces
