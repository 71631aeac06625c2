// The module in one file, as the server joins it from client/index.js.
export * from "../../client/index.js";
