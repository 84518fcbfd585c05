import { version } from "../package.json";

/** Name and version, for the server's log. */
export const sdkVersion = `@carillon/sdk ${version}`;
