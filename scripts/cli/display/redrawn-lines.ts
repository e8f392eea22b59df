import { clearScreenDown, moveCursor } from "node:readline";

/** Lines on a terminal that each drawing puts in the place of those before. */
export class RedrawnLines {
  #drawn = 0;

  constructor(private readonly stream: NodeJS.WritableStream) {}

  /** @param lines none longer than the terminal is wide, and fewer than it is high */
  draw(lines: readonly string[]): void {
    if (this.#drawn > 0) {
      moveCursor(this.stream, 0, -this.#drawn);
      clearScreenDown(this.stream);
    }
    this.stream.write(lines.map((line) => `${line}\n`).join(""));
    this.#drawn = lines.length;
  }
}
