/** Asks a trunk what it is: for a person who has just typed it in. */
import { UserAgent } from "../../core/telephony/sip/user-agent";
import type { Trunk } from "../../core/telephony/trunk";
import { within } from "../../core/within";
import { serverLimits } from "../../protocol";
import { openGateway, textOf } from "./gateway";
import { randomToken } from "./line";
import type { TrunkCheck } from "./rpc";

/** What OPTIONS brings. Takes a few seconds at most: one for the connection and one for the answer. */
export async function checkTrunk(
  trunk: Trunk,
  password: () => Promise<string>,
  clock: () => number,
  patienceMs = serverLimits.trunkAnswerSeconds * 1_000,
): Promise<TrunkCheck> {
  const started = clock();
  const opened = await openGateway(trunk.url, patienceMs);
  if ("problem" in opened) return { reachable: false, problem: opened.problem };
  const { socket } = opened;
  let closed: (problem: string) => void = () => {};
  const gone = new Promise<never>((_, reject) => {
    closed = (problem) => reject(new Error(problem));
  });
  gone.catch(() => {});
  let agent: UserAgent | undefined;
  try {
    const made = new UserAgent({
      trunk,
      contactUser: randomToken(),
      secure: trunk.url.startsWith("wss:"),
      send: (text) => socket.send(text),
      password,
      randomToken,
      log: () => {},
    });
    agent = made;
    socket.addEventListener("message", ({ data }) => void made.receive(textOf(data)));
    socket.addEventListener("close", () => closed("it closed the connection instead of answering"));
    socket.accept();
    const asked = made.options();
    const { status, reason, server } = await within(patienceMs, Promise.race([asked, gone]));
    const said = { ms: clock() - started, status, reason, ...(server && { server }) };
    return { reachable: true, ...said, ...problemOf(status) };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const problem = /no answer within/.test(text) ? "it is connected, but does not answer OPTIONS" : text;
    return { reachable: false, problem };
  } finally {
    agent?.close();
    socket.close(1000);
  }
}

function problemOf(status: number): { problem?: string } {
  if (status === 401 || status === 407 || status === 403)
    return { problem: "it refuses the user or the password" };
  if (status >= 500) return { problem: "it is there, but does not work" };
  // Whoever knows no OPTIONS is there as well.
  return {};
}
