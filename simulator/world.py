"""The world: its regions, and everything that shapes what its listeners do.

A world and its seed say all: the same world plays the same plays, byte for byte.
"""

from dataclasses import dataclass, field
from string import ascii_uppercase

from charts.errors import BadSettings
from charts.verdict import Rules
from charts.window import MINUTE_MS


@dataclass(frozen=True, slots=True)
class Region:
    """A country, roughly: how many listen there, and where the sun stands."""

    code: str
    #: Share of all listening, in no unit.
    weight: float
    #: Degrees east; fifteen to the hour.
    longitude: float


#: The largest first, so that `--regions 20` takes the twenty that matter.
REGIONS = tuple(
    Region(*row)
    for row in (
        *(("US", 330, -95), ("IN", 210, 79), ("BR", 150, -50), ("MX", 110, -100), ("GB", 90, -1)),
        *(("DE", 88, 10), ("JP", 85, 138), ("ID", 82, 110), ("FR", 72, 2), ("PH", 62, 122)),
        *(("IT", 58, 12), ("TR", 55, 33), ("ES", 52, -4), ("CA", 48, -85), ("AR", 46, -62)),
        *(("CO", 44, -74), ("AU", 40, 145), ("PL", 38, 20), ("KR", 37, 127), ("NL", 32, 5)),
        *(("TH", 30, 101), ("VN", 28, 106), ("CL", 26, -71), ("SE", 25, 16), ("PE", 24, -76)),
        *(("MY", 22, 102), ("EG", 21, 31), ("NG", 20, 8), ("ZA", 19, 25), ("SA", 18, 45)),
        *(("BE", 17, 4), ("TW", 16, 121), ("PT", 15, -8), ("NO", 14, 9), ("RO", 13, 25)),
        *(("DK", 12, 10), ("AT", 12, 14), ("CH", 12, 8), ("UA", 11, 31), ("FI", 11, 25)),
        *(("CZ", 10, 15), ("GR", 10, 23), ("HU", 9, 19), ("IE", 9, -8), ("NZ", 8, 174)),
        *(("IL", 8, 35), ("AE", 8, 54), ("SG", 7, 104), ("HK", 7, 114), ("EC", 7, -78)),
        *(("MA", 6, -7), ("KE", 6, 37), ("PK", 6, 70), ("BD", 5, 90), ("GT", 5, -90)),
        *(("DO", 4, -70), ("CR", 4, -84), ("UY", 3, -56), ("BO", 3, -65), ("IS", 1, -19)),
    )
)


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on purpose, each as a share of all records."""

    duplicates: float = 0.0
    late: float = 0.0
    early: float = 0.0
    short: float = 0.0
    malformed: float = 0.0

    def __post_init__(self) -> None:
        shares = self.shares
        if min(shares) < 0 or sum(shares) > 1:
            raise BadSettings("fractions of faults are between 0 and 1, and so is their sum")

    @property
    def shares(self) -> tuple[float, ...]:
        return (self.duplicates, self.late, self.early, self.short, self.malformed)

    @property
    def any(self) -> bool:
        return sum(self.shares) > 0


@dataclass(frozen=True, slots=True)
class World:
    """Who listens to what, where and when."""

    seed: int = 1
    #: Simulated time of the first play, epoch milliseconds.
    start: int = 1_763_683_200_000
    #: Simulated milliseconds from one play to the next.
    step_ms: float = 1.0
    regions: tuple[Region, ...] = REGIONS[:20]
    partitions: int = 4
    tracks: int = 100_000
    zipf: float = 1.0
    listeners: int = 200_000
    #: Share of plays that follow the region's taste rather than the world's.
    taste: float = 0.35
    #: Share of plays that are a listener's own favourites.
    habit: float = 0.3
    #: Share of plays that arrive long after, from listeners who were offline.
    offline: float = 0.01
    #: Plays carry title and artist.
    names: bool = True
    faults: Faults = field(default_factory=Faults)
    #: The thresholds that faults must cross.
    rules: Rules = field(default_factory=Rules)
    #: A tick to every partition each simulated minute.
    ticks: bool = False

    def __post_init__(self) -> None:
        if min(self.tracks, self.listeners, self.partitions, len(self.regions)) < 1:
            raise BadSettings("a world has a track, a listener, a region and a partition at least")
        if self.step_ms <= 0 or self.start < 0:
            raise BadSettings("a world's time starts after 1970 and runs forward")

    def clock(self, number: int) -> int:
        """The simulated time at which a play is sent."""
        return self.start + int(number * self.step_ms)

    def minute(self, number: int) -> int:
        """The minute of the world in which a play is sent."""
        return self.clock(number) // MINUTE_MS


def regions_of(text: str) -> tuple[Region, ...]:
    """So many of the largest regions, or the ones named: `20` or `DE,FR`."""
    if text.isdecimal() and 1 <= int(text) <= len(REGIONS):
        return REGIONS[: int(text)]
    known = {region.code: region for region in REGIONS}
    codes = [code.strip() for code in text.split(",")]
    if any(len(code) != 2 or not set(code) <= set(ascii_uppercase) for code in codes):
        raise BadSettings(f"regions are a number up to {len(REGIONS)}, or codes such as DE,FR: {text!r}")
    return tuple(known.get(code, Region(code, 10, 0)) for code in dict.fromkeys(codes))
