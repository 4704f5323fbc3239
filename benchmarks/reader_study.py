"""Does the reader study's test keep its level, and does the power formula hold?

    python benchmarks/reader_study.py [--studies 10000] [--seed 7]

Studies are simulated by the model of Roe and Metz and analysed by `mrmc`. Printed for
each design: proportion of significant studies without any difference (5 % should be),
power by formula beside power by simulation, with the standard errors of the simulated
proportions and the seconds that simulating and analysing 2,000 studies took.
"""

import argparse
import time

import numpy as np
from tqdm import tqdm

from rds_readers import mrmc, power, roe_metz

DESIGNS = [  # structure, readers, cases without and with the disease, AUROCs
    ("HL", 5, (50, 50), (0.80, 0.88)),
    ("LL", 5, (50, 50), (0.80, 0.88)),
    ("HH", 5, (50, 50), (0.80, 0.90)),
    ("LH", 5, (50, 50), (0.80, 0.90)),
    ("HL", 10, (50, 50), (0.80, 0.88)),
    ("LL", 8, (100, 50), (0.75, 0.81)),
    ("LH", 12, (75, 75), (0.80, 0.86)),
    ("HL", 6, (150, 150), (0.85, 0.89)),
]


def main():
    """Simulate every design with and without its difference, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rows = []
    total = 2 * options.studies * len(DESIGNS)
    with tqdm(total=total, unit="study", disable=None) as bar:
        for index, (name, num_readers, num_cases, aurocs) in enumerate(DESIGNS):
            variances = roe_metz.STRUCTURES[name]
            start = time.perf_counter()
            seed = options.seed + 2 * index
            false, reached = (
                roe_metz.simulate_rejections(
                    variances,
                    pair,
                    num_readers=num_readers,
                    num_cases=num_cases,
                    num_studies=options.studies,
                    seed=seed + one,
                    update=bar.update,
                )
                for one, pair in enumerate(((aurocs[0], aurocs[0]), aurocs))
            )
            seconds = 1000 * (time.perf_counter() - start) / options.studies
            parameters = power.convert(variances, aurocs, num_cases)
            formula = power.power(parameters, num_readers, aurocs[1] - aurocs[0])
            design = f"{name} {num_readers:>2} x {num_cases[0]}+{num_cases[1]}"
            rows.append((design, aurocs, false, formula, reached, seconds))
    print("design           AUROC         false alarms  formula  simulated    s/2000")
    for design, (first, second), false, formula, reached, seconds in rows:
        errors = [np.sqrt(p * (1 - p) / options.studies) for p in (false, reached)]
        print(
            f"{design:15}  {first:.2f} {second:.2f}  {false:6.1%} +- {errors[0]:.1%}  "
            f"{formula:7.1%}  {reached:6.1%} +- {errors[1]:.1%}  {seconds:5.2f}"
        )
    gap = max(abs(row[3] - row[4]) for row in rows)
    worst = max(abs(row[2] - mrmc.ALPHA) for row in rows)
    print(f"largest distance: false alarms {worst:.1%} from 5 %, power {gap:.1%}")


if __name__ == "__main__":
    main()
