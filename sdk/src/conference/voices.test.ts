import { describe, expect, it } from "vitest";
import { Voices } from "./voices";

/** Samples 200 ms apart. */
function listen() {
  const voices = new Voices();
  let now = 0;
  const hear = (levels: Record<string, number>, times = 1) => {
    let changed = false;
    for (let i = 0; i < times; i++) {
      now += 200;
      changed = voices.hear(new Map(Object.entries(levels)), now) || changed;
    }
    return changed;
  };
  return { hear, speaking: () => [...voices.speaking], active: () => voices.active };
}

describe("who speaks", () => {
  it("is who was heard twice in a row, and not who clicked once", () => {
    const { hear, speaking } = listen();
    expect(hear({ anna: 0.3, bert: 0.3 })).toBe(false);
    expect(speaking()).toEqual([]);
    expect(hear({ anna: 0.3, bert: 0 })).toBe(true);
    expect(hear({ anna: 0.3, bert: 0.3 })).toBe(false);
    expect(speaking()).toEqual(["anna"]);
  });

  it("is not who only hums quietly", () => {
    const { hear, speaking } = listen();
    expect(hear({ anna: 0.02 }, 5)).toBe(false);
    expect(speaking()).toEqual([]);
  });

  it("goes on over a breath, and ends after 600 ms of silence", () => {
    const { hear, speaking } = listen();
    hear({ anna: 0.3 }, 2);
    expect(hear({ anna: 0 }, 2)).toBe(false);
    hear({ anna: 0.3 });
    expect(hear({ anna: 0 }, 2)).toBe(false);
    expect(speaking()).toEqual(["anna"]);
    expect(hear({ anna: 0 })).toBe(true);
    expect(speaking()).toEqual([]);
  });

  it("ends at once for who is not there any more", () => {
    const { hear, speaking, active } = listen();
    hear({ anna: 0.3 }, 2);
    expect(hear({})).toBe(true);
    expect([speaking(), active()]).toEqual([[], []]);
  });
});

describe("the active speakers", () => {
  it("are the loudest of late first, and two who are as loud as each other stay as they are", () => {
    const { hear, active } = listen();
    hear({ anna: 0.3, bert: 0.25 }, 5);
    expect(active()).toEqual(["anna", "bert"]);
    expect(hear({ anna: 0.25, bert: 0.3 }, 10)).toBe(false);
    expect(hear({ anna: 0.1, bert: 0.3 }, 10)).toBe(true);
    expect(active()).toEqual(["bert", "anna"]);
  });

  it("have whoever spoke last among them for a while, behind those who speak", () => {
    const { hear, speaking, active } = listen();
    hear({ anna: 0.9, bert: 0 }, 10);
    hear({ anna: 0, bert: 0 }, 10);
    expect([speaking(), active()]).toEqual([[], ["anna"]]);
    hear({ anna: 0, bert: 0.03 }, 2);
    expect([speaking(), active()]).toEqual([["bert"], ["bert", "anna"]]);
    hear({ anna: 0, bert: 0 }, 30);
    expect(active()).toEqual([]);
  });
});
