import type { History, HistoryOptions, StoredMessage } from "@carillon/sdk";
import { describe, expect, it } from "vitest";
import { conversationWith } from "./conversation";
import { Talk } from "./talk";
import { noNews } from "./thread";

function stored(n: number): StoredMessage {
  return {
    messageId: `m${String(n).padStart(4, "0")}`,
    senderId: "bob",
    recipientIds: ["me"],
    text: `${n}`,
    headers: {},
    time: n,
    states: {},
  };
}
const live = (n: number) => ({ ...stored(n), ...noNews });

/** A history of messages 1 to `last`, in pages of 50. */
function server(last: number) {
  const state = { last, asked: [] as HistoryOptions[], refuses: false };
  const load = async (options: HistoryOptions): Promise<History> => {
    state.asked.push(options);
    if (state.refuses) throw new Error("no network");
    const from = options.before === undefined ? state.last : Number(options.before);
    const to = Math.max(0, from - 50);
    const messages = Array.from({ length: from - to }, (_, i) => stored(from - i));
    return { messages, ...(to > 0 && { next: String(to) }) };
  };
  return { state, talk: new Talk(conversationWith("me", ["bob"]), load, () => {}) };
}

const shown = ({ visible }: Talk) => `${visible[0]?.text} to ${visible.at(-1)?.text}: ${visible.length}`;

describe("the history of a conversation", () => {
  it("comes in pages, until there is nothing more", async () => {
    const { talk } = server(120);
    await talk.refresh();
    expect(shown(talk)).toBe("71 to 120: 50");
    await talk.earlier();
    expect([shown(talk), talk.hasEarlier]).toEqual(["21 to 120: 100", true]);
    await talk.earlier();
    expect([shown(talk), talk.hasEarlier]).toEqual(["1 to 120: 120", false]);
  });

  it("is not asked again while the connection is there", async () => {
    const { state, talk } = server(10);
    await talk.refresh();
    talk.take([live(11)]);
    await talk.refresh();
    expect([state.asked.length, shown(talk)]).toEqual([1, "1 to 11: 11"]);
  });

  it("fills what was missed while the connection was away", async () => {
    const { state, talk } = server(100);
    await talk.refresh();
    await talk.earlier();
    talk.offline();
    state.last = 130;
    await talk.refresh();
    expect([shown(talk), talk.hasEarlier]).toEqual(["31 to 130: 100", true]);
    await talk.earlier();
    expect(shown(talk)).toBe("1 to 130: 130");
  });

  it("has no gap after more was missed than a page holds", async () => {
    const { state, talk } = server(100);
    await talk.refresh();
    talk.offline();
    state.last = 300;
    talk.take([live(290)]);
    await talk.refresh();
    expect(shown(talk)).toBe("251 to 300: 50");
    for (let i = 0; i < 6; i++) await talk.earlier();
    expect([shown(talk), talk.hasEarlier]).toEqual(["1 to 300: 300", false]);
  });

  it("says why it did not come, and can be asked again", async () => {
    const { state, talk } = server(10);
    state.refuses = true;
    await talk.refresh();
    expect([talk.problem?.message, talk.loading]).toEqual(["no network", false]);
    state.refuses = false;
    await talk.refresh();
    expect([talk.problem, shown(talk)]).toEqual([undefined, "1 to 10: 10"]);
  });

  it("passes over pages that are known already", async () => {
    const { state, talk } = server(200);
    await talk.refresh();
    talk.take(Array.from({ length: 60 }, (_, i) => live(91 + i)));
    await talk.earlier();
    await talk.earlier();
    expect(state.asked.map(({ before }) => before)).toEqual([undefined, "150", "100"]);
    expect(talk.visible[0]?.text).toBe("51");
  });
});

describe("what is shown", () => {
  const many = Array.from({ length: 1_000 }, (_, i) => live(i + 1));

  it("is the end of a long conversation, and grows upwards", async () => {
    const { talk } = server(0);
    talk.take(many);
    expect(shown(talk)).toBe("901 to 1000: 100");
    await talk.earlier();
    expect(shown(talk)).toBe("801 to 1000: 200");
  });

  it("begins where somebody reads, whatever comes", () => {
    const { talk } = server(0);
    talk.take(many);
    talk.scrolled(false);
    talk.take([live(1_001), live(1_002)]);
    expect(shown(talk)).toBe("901 to 1002: 102");
  });

  it("is little again after a return to the end", async () => {
    const { talk } = server(0);
    talk.take(many);
    talk.scrolled(false);
    for (let i = 0; i < 4; i++) await talk.earlier();
    talk.scrolled(true);
    expect(shown(talk)).toBe("901 to 1000: 100");
  });

  it("is let go of when nobody looks, and fetched again", async () => {
    const { state, talk } = server(1_000);
    await talk.refresh();
    talk.take(many);
    expect(talk.aside().length).toBe(500);
    await talk.refresh();
    expect([talk.entries.length, state.asked.length]).toEqual([50, 2]);
  });
});
