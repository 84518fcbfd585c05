// @ts-check
/** The platform's log: all of it into a file, and the part worth reading to the terminal. */

/**
 * One line for people, or undefined for what they need not see.
 *
 * @param {string} line as the platform wrote it: JSON of ours, or something of wrangler's
 */
export function readable(line) {
  const entry = parse(line);
  if (entry) {
    if (entry.event === "request" && entry.level === "info") return undefined;
    const { level, event, ...fields } = entry;
    const rest = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
    return [level === "info" ? " " : String(level), event, ...rest].join(" ");
  }
  return /ERROR|✘|Uncaught/.test(line) ? line : undefined;
}

/** @param {string} line @returns {Record<string, unknown> | undefined} */
function parse(line) {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
