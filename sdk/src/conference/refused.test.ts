import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errorBody, type RoomOperation } from "../../../protocol";
import { Gathering } from "../testing/gathering";

let team: Gathering;

beforeEach(async () => {
  vi.useFakeTimers();
  team = await Gathering.begin();
});
afterEach(() => vi.useRealTimers());

/** So many operations of this type are refused. */
function refuse(type: RoomOperation["type"], times: number): void {
  let left = times;
  team.room.refuses = (operation) => {
    if (operation.type !== type || left === 0) return undefined;
    left -= 1;
    return errorBody("rateLimited");
  };
}

test("an invitation that is refused has ended, with the error", async () => {
  const alice = await team.join("alice");
  const told: object[] = [];
  alice.on("invitation", ({ id, state, endCause, error }) =>
    told.push({ id, state, endCause, error: error?.errorName }),
  );
  refuse("invite", 1);
  const id = alice.invite("dave");
  await team.world.pass(10);
  expect(told).toEqual([{ id, state: "ended", endCause: "failure", error: "rateLimited" }]);
});

test("signals that are refused go out again after a second, in their order", async () => {
  await team.join("alice");
  refuse("signal", 1);
  team.client("bob").callClient.callConference("team");
  await team.world.pass(900);
  const said = () =>
    team.world.server
      .operations("bob", "room")
      .flatMap(({ op }) => (op.op === "room" && op.room.type === "signal" ? [op.room.signals] : []))
      .map((signals) => signals.map(({ description }) => description?.type ?? "candidates").join());
  expect(said()).toEqual(["offer"]);
  await team.world.pass(300);
  // What was there in the meantime has waited.
  expect(said().slice(0, 3)).toEqual(["offer", "offer", "candidates"]);
  expect(team.device("bob").media.last.connectionState).toBe("connected");
});

test("signals that are refused again and again are given up", async () => {
  await team.join("alice");
  refuse("signal", 1_000);
  await team.join("bob");
  await team.world.pass(30_000);
  const offers = team.world.server
    .operations("bob", "room")
    .filter(({ op }) => JSON.stringify(op).includes('"offer"'));
  expect(offers).toHaveLength(5);
});

test("what is refused of a publication or of an answer leads to a fresh session", async () => {
  team.room.plan = "sfu";
  refuse("publish", 1);
  const alice = await team.join("alice");
  const published = () => team.room.operations(alice.callId, "publish");
  expect(published()).toEqual([]);
  await team.world.pass(1_100);
  expect(published()).toMatchObject([{ fresh: true }]);
  refuse("sfuAnswer", 1);
  const description = { type: "answer" as const, sdp: "v=0\r\nid:sfu\r\n" };
  team.room.say(alice.callId, { type: "sfuAnswer", session: 2, description });
  await team.world.pass(10);
  const offer = { type: "offer" as const, sdp: description.sdp };
  team.room.say(alice.callId, {
    type: "sfuOffer",
    session: 2,
    offer: 1,
    description: offer,
    tracks: [],
  });
  await team.world.pass(2_100);
  expect(published().map(({ fresh }) => fresh)).toEqual([true, true]);
});

test("what is to be shown is said again once when it is refused, and with the next change", async () => {
  team.room.plan = "sfu";
  const bob = await team.join("bob", { video: true });
  refuse("show", 2);
  const alice = await team.join("alice");
  const shown = () => team.room.operations(alice.callId, "show").map(({ videos }) => videos);
  await team.world.pass(5_000);
  expect(shown()).toEqual([]);
  alice.setVideoSize(bob.callId, { width: 640, height: 360 });
  await team.world.pass(200);
  expect(shown()).toEqual([{ [bob.callId]: "h" }]);
});
