import { clearScreenDown, moveCursor } from "node:readline";

/** Lines on a terminal, each drawing of which replaces the previous one. */
export class RedrawnLines {
  #drawn = 0;

  constructor(private readonly stream: NodeJS.WritableStream) {}

  /**
   * Draws lines in place of those drawn last.
   *
   * @param lines no longer than the terminal's width, and fewer than its height
   */
  draw(lines: readonly string[]): void {
    if (this.#drawn > 0) {
      moveCursor(this.stream, 0, -this.#drawn);
      clearScreenDown(this.stream);
    }
    this.stream.write(lines.map((line) => `${line}\n`).join(""));
    this.#drawn = lines.length;
  }
}
