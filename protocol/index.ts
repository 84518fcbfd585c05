export * from "./credits";
export * from "./errors";
export * from "./frames";
export * from "./http";
export * from "./limits";
export * from "./messages";
export * from "./push";
export * from "./values";
