"""Runs Optuna's TPE on search problems, for comparison with `npm run bench:search`.

usage: optuna_search.py [--seeds 5] [--trials 200] [--batch 1] [--first-seed 1] PROBLEM.json ...
One JSON line a problem: the curve of the true value of the configuration that looked best, a seed each.
"""

import argparse
import json
import sys

import numpy as np
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def suggest(trial, problem):
    choice = {}
    for parameter in problem["parameters"]:
        when = parameter.get("when")
        if when and choice.get(when["name"]) not in when["is"]:
            continue
        name, choices = parameter["name"], parameter["choices"]
        if parameter.get("ordered"):
            choice[name] = trial.suggest_int(name, 0, choices - 1)
        else:
            choice[name] = trial.suggest_categorical(name, list(range(choices)))
    return choice


def true_value(problem, choice):
    codes = [choice.get(parameter["name"]) for parameter in problem["parameters"]]
    value = sum(row[code] for row, code in zip(problem["main"], codes) if code is not None)
    for pair in problem["pairs"]:
        a, b = codes[pair["a"]], codes[pair["b"]]
        if a is not None and b is not None:
            value += pair["table"][a][b]
    return value


def run(problem, seed, trials, batch):
    noise = np.random.default_rng(seed)
    sampler = optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=batch > 1
    )
    study = optuna.create_study(sampler=sampler)
    best_told, best_true, curve = float("inf"), float("inf"), []
    for first in range(0, trials, batch):
        asked = []
        for _ in range(min(batch, trials - first)):
            trial = study.ask()
            asked.append((trial, suggest(trial, problem)))
        for trial, choice in asked:
            exact = true_value(problem, choice)
            told = exact + (problem["noise"] * noise.normal() if problem["noise"] else 0.0)
            study.tell(trial, told)
            if told < best_told:
                best_told, best_true = told, exact
            curve.append(best_true)
    return curve


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("problems", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    for path in options.problems:
        with open(path) as file:
            problem = json.load(file)
        curves = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            curves.append(run(problem, seed, options.trials, options.batch))
            print(f"{problem['name']} seed {seed}: {curves[-1][-1]:.4f}", file=sys.stderr)
        marks = [t for t in (50, 100, 200, 400) if t <= options.trials]
        print(
            json.dumps(
                {
                    "problem": problem["name"],
                    "sampler": f"Optuna {optuna.__version__} TPE, joint",
                    "batch": options.batch,
                    "seeds": options.seeds,
                    "trials": marks,
                    "median": [float(np.median([c[t - 1] for c in curves])) for t in marks],
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
