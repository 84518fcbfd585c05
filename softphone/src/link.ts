/** What the softphone's address carries after its `#`: nothing of it ever reaches a server. */
export interface Link {
  key: string;
  user: string;
  /** A registration token; works once. */
  token: string;
  /** What a push says, for a phone that was woken by it. */
  push?: string;
}

/** Reads `#key=…&user=…&token=…&push=…`; what is missing is empty. */
export function parseLink(hash: string): Link {
  const values = new URLSearchParams(hash.replace(/^#/, ""));
  const push = values.get("push");
  return {
    key: values.get("key") ?? "",
    user: values.get("user") ?? "",
    token: values.get("token") ?? "",
    ...(push && { push }),
  };
}

/** The address with nothing that works once: a reload signs in with the instance that is stored by then. */
export function linkWithoutToken({ key, user }: Pick<Link, "key" | "user">): string {
  return `#${new URLSearchParams({ key, user })}`;
}

/** Whether the page runs on the developer's own machine. */
export function isLocal(hostname: string): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}

const demoPartner = new Map([
  ["alice", "bob"],
  ["bob", "alice"],
]);

/** The two demo users of `npm start` are each other's first suggestion. */
export function suggestions(me: string, hostname: string, recent: readonly string[]): string[] {
  const demo = isLocal(hostname) ? demoPartner.get(me) : undefined;
  const people = demo && !recent.includes(demo) ? [...recent, demo] : [...recent];
  return people.filter((person) => person !== me);
}
