// Plays what AI-Toolkit's UI and its routes do with the service, by Node's own fetch and without packages.
// node ui_client.mjs BASE_URL IMAGE...   prints what it saw as one line of JSON; ends with 1 at a surprise.

const [base, ...images] = process.argv.slice(2);
const POLLS = 1200;
const POLL_MS = 250; // the UI polls once a second; this is a test
const PAUSE_MS = 500; // between two images
const STATUSES = ["idle", "downloading", "loading", "ready", "error"];

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function insist(condition, what) {
  if (!condition) throw new Error(what);
}

async function get(path) {
  const response = await fetch(base + path);
  return response.json();
}

async function post(path, body) {
  const response = await fetch(base + path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  // The UI reads JSON whatever the status.
  return { status: response.status, body: await response.json() };
}

function mayCaption(health) {
  return health.status === "healthy" && health.model_loaded === true;
}

// Every field that the UI sends, as it sends them: the caption type in `style` too.
function uiFields(captionType) {
  return {
    prompt: null,
    style: captionType,
    caption_type: captionType,
    caption_length: "medium-length",
    extra_options: [
      "If there is a person/character in the image you must refer to them as {name}.",
      "Do NOT use any ambiguous language.",
    ],
    name_input: "Ada",
    max_new_tokens: 256,
    temperature: 0.6,
    top_p: 0.9,
    top_k: null,
    do_sample: false,
    ui_only_field: true,
  };
}

async function waitUntilReady() {
  const seen = [];
  for (let poll = 0; poll < POLLS; poll += 1) {
    const progress = await get("/progress");
    insist(STATUSES.includes(progress.status), `unknown status ${progress.status}`);
    insist(progress.progress >= 0 && progress.progress <= 1, `progress ${progress.progress}`);
    insist(progress.status !== "error", progress.message);
    insist(typeof progress.message === "string" && progress.message, "no message");
    if (seen.length) insist(progress.progress >= seen.at(-1), "progress went back");
    seen.push(progress.progress);
    if (progress.status === "ready") return seen;
    await pause(POLL_MS);
  }
  throw new Error("never ready");
}

async function captionOneByOne() {
  const captions = [];
  for (const image of images) {
    const { status, body } = await post("/caption", { image_path: image, ...uiFields("Booru tag list") });
    insist(status === 200 && body.success === true, JSON.stringify(body));
    insist(body.image_path === image && body.prompt_used && body.generation_time >= 0, "fields are missing");
    captions.push(body.caption);
    await pause(PAUSE_MS);
  }
  return captions;
}

async function captionFolder() {
  const paths = [...images, "/no/such/image.png"];
  const { status, body } = await post("/batch_caption", { image_paths: paths, ...uiFields("Booru tag list") });
  insist(status === 200 && body.success === true, JSON.stringify(body));
  insist(body.total_images === paths.length, "total_images");
  insist(body.successful_captions === images.length && body.failed_captions === 1, "counts");
  insist(body.results.every((result, place) => result.image_path === paths[place]), "order");
  insist(body.results.at(-1).success === false && body.results.at(-1).error, "the missing image's error");
  return body.results.slice(0, -1).map((result) => result.caption);
}

async function waitUntilGone() {
  const started = Date.now();
  while (Date.now() - started < 15_000) {
    try {
      await get("/health");
    } catch {
      return;
    }
    await pause(POLL_MS);
  }
  throw new Error("still there 15 s after /shutdown");
}

const cold = await get("/health");
insist(!mayCaption(cold), "ready before it can be");
const early = await post("/caption", { image_path: images[0], ...uiFields("Descriptive") });
insist(early.status === 503 && early.body.error, "captioning before it is ready");
const progress = await waitUntilReady();
insist(mayCaption(await get("/health")), "not loaded though ready");
const { styles, prompts, joycaption_types } = await get("/prompts");
insist(styles.every((style) => prompts[style]) && joycaption_types.length === 12, "prompts");
const single = await captionOneByOne();
const batch = await captionFolder();
const wrong = await post("/caption", { image_path: images[0], style: "nope" });
insist(wrong.status === 400 && wrong.body.error.startsWith("Unknown prompt style: nope"), "unknown style");
const stopping = await post("/shutdown", {});
insist(stopping.status === 200 && stopping.body.status === "shutting_down" && stopping.body.message, "shutdown");
await waitUntilGone();
console.log(JSON.stringify({ polls: progress.length, single, batch }));
