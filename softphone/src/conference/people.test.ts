import type { Participant } from "@carillon/sdk";
import { describe, expect, it } from "vitest";
import { featured, type Mine, peopleOf, pictureSize, tileWords, type View } from "./people";

const participant = (id: string, change: Partial<Participant> = {}): Participant => ({
  id,
  userId: id,
  joined: 1,
  muted: false,
  held: false,
  video: "off",
  silenced: false,
  away: false,
  speaking: false,
  stream: {} as MediaStream,
  ...change,
});
const me: Mine = { callId: "me", muted: false, held: false, video: "off" };
const grid: View = { pinned: undefined, follows: false, speaker: undefined };

describe("the people of a conference", () => {
  it("are this person, and the others as they came", () => {
    const people = peopleOf({ ...me, muted: true }, [
      participant("b", { displayName: "Bert" }),
      participant("a"),
    ]);
    expect(people.map(({ id, name, me }) => [id, name, me])).toEqual([
      ["me", "You", true],
      ["b", "Bert", false],
      ["a", "a", false],
    ]);
    expect(people[0]?.marks).toEqual(["muted"]);
  });

  it("show a picture unless it is held, paused or switched off", () => {
    const picture = (change: Partial<Participant>) => peopleOf(me, [participant("a", change)])[1]?.picture;
    expect(picture({ video: "on" })).toBe("camera");
    expect(picture({ video: "screen" })).toBe("screen");
    expect(picture({ video: "paused" })).toBe("none");
    expect(picture({ video: "on", held: true })).toBe("none");
    expect(peopleOf({ ...me, video: "screen" }, [])[0]?.picture).toBe("none");
  });

  it("say what others have to know of them", () => {
    const words = (change: Partial<Participant>) => {
      const [, person] = peopleOf(me, [participant("anna", change)]);
      return person && tileWords(person);
    };
    expect(words({})).toBe("anna");
    expect(words({ speaking: true, line: "phone" })).toBe("anna, on the phone, speaking");
    expect(words({ muted: true, held: true, away: true, video: "paused" })).toBe(
      "anna, connection lost, on hold, muted, video paused",
    );
  });
});

describe("the large tile", () => {
  const people = peopleOf(me, [participant("a"), participant("b", { video: "screen" }), participant("c")]);
  const without = peopleOf(me, [participant("a"), participant("c")]);
  const large = (view: Partial<View>, whose = people) => featured(whose, { ...grid, ...view })?.id;

  it("is the one that was pressed, then a screen, then who speaks", () => {
    expect(large({ pinned: "c", follows: true, speaker: "a" })).toBe("c");
    expect(large({ follows: true, speaker: "a" })).toBe("b");
    expect(large({ follows: true, speaker: "c" }, without)).toBe("c");
    expect(large({}, without)).toBeUndefined();
  });

  it("is somebody else's while nobody has spoken, or who spoke has left", () => {
    expect(large({ follows: true }, without)).toBe("a");
    expect(large({ follows: true, speaker: "gone" }, without)).toBe("a");
  });

  it("is none where there is one tile", () => {
    expect(large({ follows: true, pinned: "me" }, peopleOf(me, []))).toBeUndefined();
  });
});

describe("the size that is asked for", () => {
  it("is that of the tile, and none of what nobody sees", () => {
    expect(pictureSize({ width: 320.4, height: 180 }, true)).toEqual({ width: 320, height: 180 });
    expect(pictureSize({ width: 320, height: 180 }, false)).toBeNull();
    expect(pictureSize({ width: 0, height: 0 }, true)).toBeNull();
  });
});
