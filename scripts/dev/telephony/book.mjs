// @ts-check
/** The numbers that behave in a way of their own, whoever has the page open: by how they end. */

/** `status` below 200: and nothing after it. @type {{ ends: string, status: number, means: string }[]} */
export const book = [
  { ends: "0180", status: 180, means: "rings, and nobody answers" },
  { ends: "0404", status: 404, means: "there is no such number" },
  { ends: "0480", status: 480, means: "cannot be reached" },
  { ends: "0486", status: 486, means: "is busy" },
  { ends: "0503", status: 503, means: "the network is overloaded" },
  { ends: "0603", status: 603, means: "declines" },
];

/** @param {string} number what stands before the @ */
export function behaviourOf(number) {
  return book.find(({ ends }) => number.endsWith(ends));
}
