// Reads what Go has packed: gzip in base64, with texts, frames and stacks once each.

/** Returns the payload of the page, with frames as objects. */
export async function read(packed) {
  const letters = atob(packed);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const source = new ReadableStream({ start: (c) => { c.enqueue(bytes); c.close(); } });
  return unfold(JSON.parse(await text(source.pipeThrough(new DecompressionStream("gzip")))));
}

// Blob and Response would do this too, but to a browser they are requests, which one
// that is offline refuses.
async function text(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return parts.join("");
    parts.push(value);
  }
}

/** Puts texts where their numbers are. */
export function unfold(payload) {
  const { strings } = payload;
  const functions = new Map();
  const frames = payload.frames.map(([name, file, line, module, url, inlined]) => {
    // Frames of one function are one box of a flame graph, whatever their line.
    const key = `${name} ${file} ${module}`;
    if (!functions.has(key)) functions.set(key, functions.size);
    return {
      id: functions.get(key),
      name: strings[name], file: strings[file], line, module: strings[module], url: strings[url], inlined: inlined === 1,
    };
  });
  return { sites: [], pairs: [], ...payload, stacks: payload.stacks.map((stack) => stack.map((i) => frames[i])) };
}

/** Where a frame is: its file and line, or the module it is in. */
export function place(frame) {
  return frame.file ? `${frame.file}:${frame.line}` : frame.module === frame.name.replace(/\+0x[0-9a-f]+$/, "") ? "" : frame.module;
}

/** Where a frame is, with no more of the file than its name. */
export function shortPlace(frame) {
  return frame.file ? `${frame.file.slice(frame.file.lastIndexOf("/") + 1)}:${frame.line}` : place(frame);
}
