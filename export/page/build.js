// Makes bundle/ of src/: a script and a style sheet. The same sources give the same bytes.
import { build } from "esbuild";

await build({
  entryPoints: ["src/page.js", "src/page.css"],
  outdir: "bundle",
  bundle: true,
  minify: true,
  format: "iife",
  charset: "utf8",
  target: ["chrome111", "firefox113", "safari16.4"],
});
