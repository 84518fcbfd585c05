import { expect, it } from "vitest";
import { Invite } from "./invite";
import { UserAgent } from "./user-agent";
import { parseUri } from "./words";

const headerOf = (text: string, name: string) => new RegExp(`^${name}: (.*)\r$`, "mi").exec(text)?.[1] ?? "";

it("an INVITE that is given up while the password is being opened does not leave again", async () => {
  const sent: string[] = [];
  let open: (password: string) => void = () => {};
  let tokens = 0;
  const agent = new UserAgent({
    trunk: { user: "alice", fromDomain: "test.local" },
    ...{ contactUser: "contact", secure: true, log: () => {} },
    send: (text) => void sent.push(text),
    password: () =>
      new Promise((resolve) => {
        open = resolve;
      }),
    randomToken: () => `token${++tokens}`,
  });
  const target = parseUri("sip:+46@test.local");
  if (!target) throw new Error("no target");
  const what = { target, from: target, callId: "id", fromTag: "tag", seq: 1, offer: "v=0\r\n", headers: [] };
  const invite = new Invite(agent, what, { progress() {}, answered() {}, refused() {} });
  invite.send();
  const [first = ""] = sent;
  const said = ["Via", "From", "To", "Call-ID", "CSeq"].map((name) => `${name}: ${headerOf(first, name)}`);
  const challenge = 'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"';
  const challenged = agent.receive(
    ["SIP/2.0 407 Who?", ...said, challenge, "Content-Length: 0", "", ""].join("\r\n"),
  );
  await Promise.resolve();
  invite.cancel();
  open("s3cret");
  await challenged;
  agent.close();
  expect(sent.filter((text) => text.startsWith("INVITE"))).toHaveLength(1);
});
