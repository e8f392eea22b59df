"""Runs Optuna's TPE on search problems, for comparison with `npm run bench:search`.

usage: optuna_search.py [--seeds 20] [--trials 200] [--batch 1] PROBLEM.json ...
Prints one JSON line per problem, which `npm run bench:search -- --optuna FILE` reads: medians over seeds of the true value
of the configuration with the best measured value, after the same numbers of trials.
"""

import argparse
import hashlib
import json
import sys

import numpy as np
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


MARKS = (50, 100, 200, 400, 1000)


def parents_first(parameters):
    """The parameters with parents before their children; a file may list them in any order."""
    by_name = {parameter["name"]: parameter for parameter in parameters}
    ordered = {}

    def visit(parameter):
        if parameter.get("when"):
            visit(by_name[parameter["when"]["name"]])
        ordered.setdefault(parameter["name"], parameter)

    for parameter in parameters:
        visit(parameter)
    return list(ordered.values())


def suggest(trial, parameters):
    choice = {}
    for parameter in parameters:
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
    for pair in problem.get("pairs", []):
        a, b = codes[pair["a"]], codes[pair["b"]]
        if a is not None and b is not None:
            value += pair["table"][a][b]
    return value


def run(problem, seed, trials, batch):
    noise, deviation = np.random.default_rng(seed), problem.get("noise", 0)
    parameters = parents_first(problem["parameters"])
    sampler = optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=batch > 1
    )
    study = optuna.create_study(sampler=sampler)
    best_told, best_true, curve = float("inf"), float("inf"), []
    for first in range(0, trials, batch):
        asked = []
        for _ in range(min(batch, trials - first)):
            trial = study.ask()
            asked.append((trial, suggest(trial, parameters)))
        for trial, choice in asked:
            exact = true_value(problem, choice)
            told = exact + (deviation * noise.normal() if deviation else 0.0)
            study.tell(trial, told)
            if told < best_told:
                best_told, best_true = told, exact
            curve.append(best_true)
    return curve


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("problems", nargs="+")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    for path in options.problems:
        with open(path, "rb") as file:
            content = file.read()
        problem, curves = json.loads(content), []
        for seed in range(1, options.seeds + 1):
            curves.append(run(problem, seed, options.trials, options.batch))
            print(f"{problem['name']} seed {seed}: {curves[-1][-1]:.4f}", file=sys.stderr)
        marks = [*(mark for mark in MARKS if mark < options.trials), options.trials]
        print(
            json.dumps(
                {
                    "problem": problem["name"],
                    "sha256": hashlib.sha256(content).hexdigest(),
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
