"""Runs Optuna's TPE with two objectives, for comparison with `npm run bench:pareto`.

usage: optuna_pareto.py [--seeds 5] [--trials 200] [--batch 1] PROBLEM.json
PROBLEM.json contains two search problems with the same parameters, "loss" and "cost". Prints one JSON line: the points of
all trials, one list per seed.
"""

import argparse
import json

import optuna
from optuna_search import parents_first, suggest, true_value

optuna.logging.set_verbosity(optuna.logging.ERROR)


def run(loss, cost, seed, trials, batch):
    sampler = optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=batch > 1
    )
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    parameters, points = parents_first(loss["parameters"]), []
    for first in range(0, trials, batch):
        asked = []
        for _ in range(min(batch, trials - first)):
            trial = study.ask()
            asked.append((trial, suggest(trial, parameters)))
        for trial, choice in asked:
            points.append([true_value(loss, choice), true_value(cost, choice)])
            study.tell(trial, points[-1])
    return points


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    with open(options.problem) as file:
        problem = json.load(file)
    courses = [
        run(problem["loss"], problem["cost"], seed, options.trials, options.batch)
        for seed in range(1, options.seeds + 1)
    ]
    print(json.dumps({"sampler": f"Optuna {optuna.__version__} TPE, joint", "courses": courses}))


if __name__ == "__main__":
    main()
