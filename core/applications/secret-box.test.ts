import { expect, test } from "vitest";
import { openSecret, sealSecret } from "./secret-box";

const masterKey = btoa("m".repeat(32));
const key = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const secret = "oYdgGRXoxEuJhGDY2KQ/HQ==";
const iv = new Uint8Array(12).fill(7);

test("a sealed secret opens, and does not show", async () => {
  const sealed = await sealSecret(masterKey, key, secret, iv);
  expect(JSON.stringify(sealed)).not.toContain(secret);
  expect(await openSecret(masterKey, key, sealed)).toBe(secret);
});

test("it opens for no other application, and under no other master key", async () => {
  const sealed = await sealSecret(masterKey, key, secret, iv);
  const other = key.replace("1", "2");
  await expect(openSecret(masterKey, other, sealed)).rejects.toThrow();
  await expect(openSecret(btoa("n".repeat(32)), key, sealed)).rejects.toThrow();
});

test("a master key that is too short is refused", async () => {
  await expect(sealSecret("c2hvcnQ=", key, secret, iv)).rejects.toThrow("MASTER_KEY");
});
