import { expect, it } from "vitest";
import { Lanes } from "./lanes";

/** Lanes whose carrying the test lets finish, one batch at a time. */
function held(batch: Partial<{ count: number; size: number }> = {}) {
  const carried: { place: string; items: string[]; finish: () => void }[] = [];
  const lanes = new Lanes<string, string>(
    (place, items) =>
      new Promise((resolve) => {
        carried.push({ place, items, finish: () => resolve(items.map((item) => `${item}!`)) });
      }),
    { count: 10, size: 1_000, sizeOf: (item) => item.length, ...batch },
  );
  return { lanes, carried };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it("carries at once what comes together, and together what comes meanwhile", async () => {
  const { lanes, carried } = held();
  const first = [lanes.push("bob", "a"), lanes.push("bob", "b"), lanes.push("carol", "c")];
  await turn();
  expect(carried.map(({ place, items }) => [place, items])).toEqual([
    ["bob", ["a", "b"]],
    ["carol", ["c"]],
  ]);
  const second = [lanes.push("bob", "d"), lanes.push("bob", "e")];
  await turn();
  expect(carried).toHaveLength(2);
  carried[0]?.finish();
  carried[1]?.finish();
  expect(await Promise.all(first)).toEqual(["a!", "b!", "c!"]);
  await turn();
  expect(carried[2]?.items).toEqual(["d", "e"]);
  carried[2]?.finish();
  expect(await Promise.all(second)).toEqual(["d!", "e!"]);
});

it("keeps a batch small, but always takes one", async () => {
  const { lanes, carried } = held({ count: 2, size: 5 });
  for (const item of ["1234567", "a", "b", "c"]) void lanes.push("bob", item);
  for (const items of [["1234567"], ["a", "b"], ["c"]]) {
    await turn();
    expect(carried.at(-1)?.items).toEqual(items);
    carried.at(-1)?.finish();
  }
});
