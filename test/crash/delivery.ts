/** Whether each message is where it belongs: once, in order, and nothing else. */
import type { StoredMessage } from "../../protocol";
import type { Device, Journal, Written } from "./device";

/** All messages among the same people, whoever sent them, are one conversation. */
export const conversationOf = ({ from, to }: Pick<Written, "from" | "to">) =>
  [...new Set([from, ...to])].sort().join(" ");

/** Device and number: the beginning of every text. */
export const nameOf = (text: string) => text.split(" ", 2).join(" ");

/** What the SDK or the server has promised. */
function promised({ written, kept, sent }: Journal): [string, Written][] {
  return [...written].filter(([text]) => kept.has(text) || sent.has(text));
}

/** What is missing, doubled, foreign or out of order in the inboxes: a line each. */
export function inboxProblems(journal: Journal, devices: Device[]): string[] {
  const problems: string[] = [];
  for (const device of devices) {
    const here = new Set<string>();
    const last = new Map<string, number>();
    for (const { text, from } of device.inbox) {
      const written = journal.written.get(text);
      if (!written || written.from !== from || !written.to.includes(device.userId)) {
        problems.push(`${device.name}: ${nameOf(text)} from ${from} does not belong there`);
        continue;
      }
      if (here.has(text)) problems.push(`${device.name}: ${nameOf(text)} is there twice`);
      here.add(text);
      const line = `${conversationOf(written)}, ${written.device}`;
      const before = last.get(line) ?? 0;
      if (written.number < before)
        problems.push(`${device.name}: ${nameOf(text)} came after number ${before} (${line})`);
      last.set(line, written.number);
    }
    for (const [text, { to }] of promised(journal))
      if (to.includes(device.userId) && !here.has(text))
        problems.push(`${device.name}: ${nameOf(text)} is missing`);
  }
  return problems;
}

/** What is missing, doubled or different in the archive, beside what is in the inboxes. */
export function archiveProblems(journal: Journal, devices: Device[], archive: StoredMessage[]): string[] {
  const problems: string[] = [];
  const stored = new Set<string>();
  for (const { text, from, to, states } of archive) {
    const written = journal.written.get(text);
    if (stored.has(text)) problems.push(`archive: ${nameOf(text)} is there twice`);
    stored.add(text);
    if (!written || written.from !== from || conversationOf(written) !== conversationOf({ from, to }))
      problems.push(`archive: ${nameOf(text)} from ${from} to ${to} does not belong there`);
    for (const recipient of written?.to ?? [])
      if (!states[recipient]?.delivered)
        problems.push(`archive: ${nameOf(text)} is not delivered to ${recipient}`);
  }
  const received = devices.flatMap(({ inbox }) => inbox.map(({ text }) => text));
  for (const text of new Set([...received, ...promised(journal).map(([text]) => text)]))
    if (!stored.has(text)) problems.push(`archive: ${nameOf(text)} is missing`);
  return problems;
}
