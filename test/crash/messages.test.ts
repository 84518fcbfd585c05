/**
 * Eight people write to each other while the server dies again and again, their networks come and go
 * and their apps are killed: what was promised is on every device of every recipient, once and in
 * order, and in the archive once.
 */
import { expect, onTestFinished, test } from "vitest";
import type { MessagePage, StoredMessage } from "../../protocol";
import { until } from "../support/programs";
import { removeState, type Server, startServer } from "../support/server";
import { archiveProblems, conversationOf, inboxProblems } from "./delivery";
import { Device, Journal } from "./device";
import { pause, randomOf, seed } from "./random";

const messages = 10_000;
const crashes = 20;
const users = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"];
/** The first three have a second device. */
const deviceNames = [...users.map((user) => `${user}/a`), "u1/b", "u2/b", "u3/b"];
const share = Math.ceil(messages / deviceNames.length);
const env = { MESSAGES_PER_SECOND: "100000", MESSAGES_BURST: "100000" };

/** Mostly one other user, now and then up to four. */
function choose(random: () => number, from: string): string[] {
  const others = users.filter((user) => user !== from);
  const count = random() < 0.9 ? 1 : 2 + Math.floor(random() * 3);
  return Array.from({ length: count }, () => others.splice(Math.floor(random() * others.length), 1)).flat();
}

/** A person at a device: writes a few, waits a little, and again, as many as are allowed by now. */
async function person(device: Device, random: () => number, allowed: () => number): Promise<void> {
  for (let kept = 0; kept < share; await pause(random() * 300)) {
    const few = Math.min(Math.ceil(random() * 8), allowed() - kept);
    const written = Array.from({ length: few }, () => device.write(choose(random, device.userId)));
    kept += (await Promise.all(written)).filter(Boolean).length;
  }
}

/** Everything that the archive has of these people, as an app's server reads it. */
async function archiveOf(server: Server, conversations: Iterable<string>): Promise<StoredMessage[]> {
  const { url, applicationKey, applicationSecret } = server;
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const found: StoredMessage[] = [];
  for (const conversation of conversations) {
    let before: string | undefined;
    do {
      const query = new URLSearchParams({ limit: "100", ...(before && { before }) });
      for (const user of conversation.split(" ")) query.append("participants", user);
      const answer = await fetch(`${url}/v1/messages?${query}`, { headers: { authorization } });
      if (!answer.ok) throw new Error(await answer.text());
      const page = (await answer.json()) as MessagePage;
      found.push(...page.messages);
      before = page.next;
    } while (before);
  }
  return found;
}

/** What is wrong when nothing is wrong any more, or after 30 seconds. */
async function settled(problems: () => string[] | Promise<string[]>): Promise<string[]> {
  for (const end = Date.now() + 30_000; ; await pause(500)) {
    const found = await problems();
    if (found.length === 0 || Date.now() > end) return found;
  }
}

test("messages outlive a server that is killed again and again", { timeout: 300_000 }, async () => {
  console.log(`CARILLON_SEED=${seed} repeats this run`);
  const random = randomOf(seed);
  let server = await startServer({ env });
  const journal = new Journal();
  const devices = deviceNames.map(
    (name) => new Device(name, name.slice(0, 2), server, journal, randomOf(random() * 2 ** 31)),
  );
  onTestFinished(async () => {
    for (const device of devices) device.close();
    await server.kill();
    removeState(server.state);
  });
  for (const device of devices) device.start();
  await until("all are there", () => devices.every(({ registered }) => registered));

  // A part of the messages while the server is there, and a part while it is not.
  let part = 1;
  const allowed = () => Math.ceil((share * part) / (2 * crashes + 1));
  const people = devices.map((device) => person(device, randomOf(random() * 2 ** 31), allowed));
  const any = () => devices[Math.floor(random() * devices.length)];
  const trouble = [setInterval(() => any()?.drop(), 150), setInterval(() => any()?.reload(), 350)];
  const calm = () => trouble.forEach(clearInterval);
  onTestFinished(calm);
  for (let crash = 0; crash < crashes; crash++) {
    const before = journal.sent.size;
    await until("something is sent", () => journal.sent.size > before);
    await pause(random() * 800);
    await server.kill();
    part += 1;
    server = await startServer({ state: server.state, port: server.port, env });
    part += 1;
    for (const device of devices) device.online();
  }
  calm();
  await Promise.all(people);
  const waiting = async () => (await Promise.all(devices.map((device) => device.waiting()))).some(Boolean);
  await until("all are sent", async () => !(await waiting()), 60_000);

  await settled(() => inboxProblems(journal, devices));
  const conversations = new Set([...journal.written.values()].map(conversationOf));
  let archive: StoredMessage[] = [];
  const archived = await settled(async () => {
    archive = await archiveOf(server, conversations);
    return archiveProblems(journal, devices, archive);
  });
  // The inboxes once more: a second copy may have come later.
  const problems = [...journal.problems, ...inboxProblems(journal, devices), ...archived];
  expect(problems.slice(0, 50), `${problems.length} problems`).toEqual([]);
  expect(journal.kept.size).toBeGreaterThanOrEqual(messages);

  const copies = devices.reduce((sum, { inbox }) => sum + inbox.length, 0);
  const { drops, reloads, rolledBack, sentAgain, inVain } = journal.count;
  console.log(
    `${archive.length} messages, ${copies} copies on ${devices.length} devices; ${crashes} crashes, ${drops} drops, ` +
      `${reloads} reloads; ${sentAgain} sent again, ${inVain} of them had arrived; ${rolledBack} received again`,
  );
});
