/** What a socket that does nothing costs: 2,000 of them, a user and a hub each. */
import { Phone, register } from "./client";
import { type Demo, memoryBelow, type Program } from "./programs";

export async function benchMemory(demo: Demo, platform: Program, count = 2_000): Promise<void> {
  const phones: Phone[] = [];
  const tokens: string[] = [];
  for (let at = 0; at < count; at += 8) {
    const batch = Array.from({ length: 8 }, (_, index) => register(demo, `idle${at + index}`));
    tokens.push(...(await Promise.all(batch)).map(({ instanceToken }) => instanceToken));
  }
  const before = memoryBelow(platform.pid);
  const began = performance.now();
  for (let at = 0; at < count; at += 8) {
    const batch = tokens
      .slice(at, at + 8)
      .map((token, index) => Phone.connect(demo, `idle${at + index}`, token));
    phones.push(...(await Promise.all(batch)));
  }
  const seconds = (performance.now() - began) / 1_000;
  const after = memoryBelow(platform.pid);
  const each = (after - before) / count / 1_024;
  console.log(
    `\nIdle: ${count} sockets of ${count} users connected in ${seconds.toFixed(1)} s; ${each.toFixed(1)} KB of`,
  );
  console.log(
    `resident memory per socket (runtime ${(before / 2 ** 20).toFixed(0)} MB before, ${(after / 2 ** 20).toFixed(0)} MB after)`,
  );
  for (const phone of phones) phone.line.close();
}
