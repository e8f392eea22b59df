/** The part of a line of `trials.jsonl` that the picture needs. */
export interface PicturedTrial {
  readonly number: number;
  readonly state: string;
  readonly metric: number | null;
  readonly bytes: number | null;
}

/** The part of `result.json` that the picture needs. */
export interface PicturedResult {
  readonly processor: string | null;
  readonly base: { readonly bytes?: number } | null;
  readonly best: { readonly trial: number; readonly bytes: number } | null;
  readonly trials: { readonly asked: number };
}

interface Axis {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

const WIDTH = 720;
const HEIGHT = 400;
const PLOT = { left: 70, right: 690, top: 50, bottom: 340 };
const COLOURS = {
  text: "#333",
  grid: "#ddd",
  trial: "#7a9cc6",
  float: "#333",
  preset: "#c0392b",
  best: "#1e8449",
};

/** An SVG of accuracy against size: the trials of a run, with float, preset and best marked. */
export function trialsPicture(trials: readonly PicturedTrial[], result: PicturedResult): string {
  // The models that the run wrote at its end are larger than as trials, by their metadata.
  const written = new Map([
    [1, result.base?.bytes],
    [result.best?.trial, result.best?.bytes],
  ]);
  const points = trials.flatMap(({ number, state, metric, bytes }) =>
    metric !== null && bytes !== null
      ? [{ number, state, accuracy: metric, kilobytes: (written.get(number) ?? bytes) / 1000 }]
      : [],
  );
  const across = axisOf(points.map(({ kilobytes }) => kilobytes));
  const up = axisOf(points.map(({ accuracy }) => accuracy));
  const x = (value: number) => place(value, across, PLOT.left, PLOT.right);
  const y = (value: number) => place(value, up, PLOT.bottom, PLOT.top);
  const marks = new Map([
    [0, { name: "float", colour: COLOURS.float }],
    [1, { name: "preset", colour: COLOURS.preset }],
    ...(result.best === null ? [] : [[result.best.trial, { name: "best", colour: COLOURS.best }] as const]),
  ]);
  const title = `The demo's ${result.trials.asked} trials on ${result.processor} (hollow: stopped early, accuracy so far)`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13" fill="${COLOURS.text}" role="img" aria-label="${title}">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${PLOT.left}" y="26" font-size="15">${title}</text>`,
    ...ticks(across).flatMap((value) => [
      line(x(value), PLOT.top, x(value), PLOT.bottom),
      `<text x="${x(value)}" y="${PLOT.bottom + 20}" text-anchor="middle">${label(value, across)}</text>`,
    ]),
    ...ticks(up).flatMap((value) => [
      line(PLOT.left, y(value), PLOT.right, y(value)),
      `<text x="${PLOT.left - 8}" y="${y(value) + 4}" text-anchor="end">${label(value, up)}</text>`,
    ]),
    `<text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 14}" text-anchor="middle">size of the model file, kB</text>`,
    `<text x="20" y="${(PLOT.top + PLOT.bottom) / 2}" text-anchor="middle" transform="rotate(-90 20 ${(PLOT.top + PLOT.bottom) / 2})">accuracy</text>`,
    ...points
      .filter(({ number }) => !marks.has(number))
      .map((trial) =>
        circle(x(trial.kilobytes), y(trial.accuracy), 4, COLOURS.trial, trial.state === "complete"),
      ),
    ...points.flatMap((trial) => {
      const mark = marks.get(trial.number);
      if (mark === undefined) return [];
      const [cx, cy] = [x(trial.kilobytes), y(trial.accuracy)];
      const text = `${mark.name} ${trial.accuracy.toFixed(3)}, ${trial.kilobytes.toFixed(1)} kB`;
      const isRight = cx > (PLOT.left + PLOT.right) / 2;
      return [
        circle(cx, cy, 7, mark.colour),
        `<text x="${cx + (isRight ? -11 : 11)}" y="${cy + 22}" text-anchor="${isRight ? "end" : "start"}" fill="${mark.colour}" font-weight="bold">${text}</text>`,
      ];
    }),
    "</svg>",
    "",
  ].join("\n");
}

/** The ends and the step of an axis: round numbers, with all values between the ends. */
function axisOf(values: readonly number[]): Axis {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const raw = Math.max(most - least, 1e-6) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10);
  return { from: Math.floor(least / step) * step, to: (Math.floor(most / step) + 1) * step, step };
}

function ticks({ from, to, step }: Axis): number[] {
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step);
}

function label(value: number, { step }: Axis): string {
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step))));
}

function place(value: number, { from, to }: Axis, first: number, last: number): number {
  return Math.round((first + ((value - from) / (to - from)) * (last - first)) * 10) / 10;
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${COLOURS.grid}"/>`;
}

function circle(cx: number, cy: number, radius: number, colour: string, isFilled = true): string {
  const fill = isFilled ? `fill="${colour}" fill-opacity="0.85"` : `fill="none" stroke="${colour}"`;
  return `<circle cx="${cx}" cy="${cy}" r="${radius}" ${fill}/>`;
}
