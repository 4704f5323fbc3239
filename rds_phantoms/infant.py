"""One infant of a seed: trunk, bones, airways, and how its findings move them."""

from dataclasses import dataclass

from rds_phantoms import airways, body, disease, growth, noise, skeleton


@dataclass(frozen=True)
class Infant:
    """Who lies before the detector, in body coordinates.

    Attributes:
        seed: int, of all that varies from one infant to another.
        findings: names out of `disease.FINDINGS`.
        mechanics: how they and the breath move the chest.
        body: solids of the trunk.
        bones: skeleton.
        airways: windpipe, bronchi and vessels.
    """

    seed: int
    findings: tuple[str, ...]
    mechanics: disease.Mechanics
    body: body.Body
    bones: skeleton.Skeleton
    airways: airways.Airways

    @property
    def size(self) -> growth.Size:
        """What it measures."""
        return self.body.size


def make_infant(
    seed: int,
    weeks: float = 34.0,
    findings: tuple[str, ...] = (),
    breath: float | None = None,
) -> Infant:
    """Draw one infant; arguments as of `phantom.make_phantom`.

    Raises:
        ValueError: `weeks` lies outside its range, or a finding is unknown.
    """
    size = growth.draw_size(noise.make_stream(seed, "size"), weeks)
    mechanics = disease.make_mechanics(seed, findings, breath)
    trunk = body.make_body(
        noise.make_stream(seed, "body"),
        size,
        inflation=mechanics.inflation,
        heart_scale=mechanics.heart_scale,
        shift=mechanics.shift,
    )
    return Infant(
        seed=seed,
        findings=tuple(findings),
        mechanics=mechanics,
        body=trunk,
        bones=skeleton.make_skeleton(noise.make_stream(seed, "skeleton"), trunk),
        airways=airways.make_airways(
            noise.make_stream(seed, "airways"), trunk, shift=mechanics.shift
        ),
    )
