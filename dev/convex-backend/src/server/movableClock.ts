// movableClock.ts - the wall clock, until a test moves it; it runs on from there.

export class MovableClock {
  #offset = 0;

  constructor(private readonly wall: () => number) {}

  /** ms since 1970, with a fraction. */
  readonly now = (): number => this.wall() + this.#offset;

  set(ms: number): void {
    this.#offset = ms - this.wall();
  }

  advance(ms: number): void {
    this.#offset += ms;
  }
}
