// The page: reads its payload, and shows a report or a difference.
import { read } from "./payload.js";
import { showDiff } from "./diff.js";
import { showReport } from "./report.js";

const main = document.getElementById("main");
const missing = document.getElementById("missing");

read(document.getElementById("payload").textContent).then((payload) => {
  (payload.mode === "diff" ? showDiff : showReport)(payload, main);
}).catch((error) => {
  missing.append(` It could not be shown: ${error.message}.`);
  main.prepend(missing);
  throw error;
});
