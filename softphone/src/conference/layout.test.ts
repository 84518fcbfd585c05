import { describe, expect, it } from "vitest";
import { gap, largeAndSmall, type Size, tileSize } from "./layout";

const wide: Size = { width: 1200, height: 640 };
const phone: Size = { width: 340, height: 480 };

/** How many fit beside each other, and how high all rows are. */
function rowsOf(count: number, place: Size) {
  const tile = tileSize(count, place);
  const columns = Math.floor((place.width + gap) / (tile.width + gap));
  const rows = Math.ceil(count / columns);
  return { columns, rows, height: rows * (tile.height + gap) - gap };
}

describe("the tiles of a conference", () => {
  it.each([
    [1, wide, 1],
    [2, wide, 2],
    [4, wide, 2],
    [6, wide, 3],
    [9, wide, 3],
    [1, phone, 1],
    [2, phone, 1],
    [4, phone, 2],
    [6, phone, 2],
  ])("%i of them in %o stand in %i columns", (count, place, columns) => {
    expect(rowsOf(count, place).columns).toBe(columns);
  });

  it("fit into the place, and are never wider than a picture nor higher than wide", () => {
    for (let count = 1; count <= 25; count++) {
      const tile = tileSize(count, wide);
      expect(rowsOf(count, wide).height).toBeLessThanOrEqual(wide.height);
      expect(tile.width / tile.height).toBeLessThanOrEqual(16 / 9 + 0.02);
      expect(tile.width / tile.height).toBeGreaterThanOrEqual(0.99);
    }
  });

  it("are scrolled rather than too small to be seen, and never to the side", () => {
    for (const place of [phone, { width: 100, height: 300 }, wide]) {
      const tile = tileSize(50, place);
      expect(tile.width).toBeGreaterThanOrEqual(Math.min(place.width, 120));
      expect(tile.width).toBeLessThanOrEqual(place.width);
    }
    expect(rowsOf(50, phone)).toMatchObject({ columns: 2 });
  });

  it("have no size where there is no place yet", () => {
    expect(tileSize(3, { width: 0, height: 0 })).toEqual({ width: 0, height: 0 });
  });
});

describe("a large tile", () => {
  it.each([
    [1, wide],
    [5, wide],
    [5, phone],
    [49, wide],
    [3, { width: 100, height: 300 }],
  ])("leaves a row for the %i others in %o", (others, place) => {
    const { large, small } = largeAndSmall(others, place);
    expect(large.width).toBe(place.width);
    expect(large.height + gap + small.height).toBeLessThanOrEqual(place.height);
    expect(small.width).toBeLessThanOrEqual(place.width);
    expect(large.height).toBeGreaterThan(small.height);
  });

  it("has the others in one row as long as they can be seen there", () => {
    const { small } = largeAndSmall(7, { width: 1000, height: 600 });
    expect(7 * (small.width + gap) - gap).toBeLessThanOrEqual(1000);
  });
});
