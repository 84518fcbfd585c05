declare const SDK_VERSION: string | undefined;

/** Name and version, for the server's log. The build puts it in; run from the sources there is none. */
export const sdkVersion = typeof SDK_VERSION === "string" ? SDK_VERSION : "@carillon/sdk development";
