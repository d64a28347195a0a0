/** The page: asks the server for a clip, plays it, and offers its files and a link to it. */
import { Player } from "../player/player.js";
import { WORDS, pickLanguage } from "../player/words.js";

const SEEDS = 2 ** 31;
const at = (id) => document.getElementById(id);
const player = new Player(at("player"), WORDS.en);
let words = WORDS.en;
let offered = null; // what GET /languages said
let shown = null; // the answer on the page

function speak(language) {
  words = WORDS[language];
  document.documentElement.lang = language;
  document.title = words.title;
  at("page-language").value = language;
  for (const part of document.querySelectorAll("[data-word]")) part.textContent = words[part.dataset.word];
  for (const part of document.querySelectorAll("[data-label]")) part.setAttribute("aria-label", words[part.dataset.label]);
  player.translate(words);
  at("status").textContent = at("problem").textContent = "";
  offerLanguages();
  if (shown) head();
}

/** The name of a sign language in the page's language; one added later has its English name. */
function nameOf(code) {
  return words[code] ?? offered.languages.find((language) => language.code === code)?.name ?? code;
}

function offerLanguages() {
  if (!offered) return;
  const chosen = at("language").value;
  const options = offered.languages.map(({ code }) => new Option(nameOf(code), code));
  if (kind() === "prompt") options.unshift(new Option(words.asked, ""));
  at("language").replaceChildren(...options);
  if (options.some((option) => option.value === chosen)) at("language").value = chosen;
}

function kind() {
  return document.querySelector("[name=kind]:checked").value;
}

/** Asks for what the form says; a seed names one of a text's clips, where the model has several. */
async function ask(seed = 0) {
  const wanted = { [kind()]: at("text").value };
  if (at("language").value) wanted.language = at("language").value;
  if (seed) wanted.seed = seed;
  performance.mark("asked");
  tell(words.working);
  at("submit").setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch("produce", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(wanted),
    });
    const said = await answer.json();
    if (answer.ok) show({ ...said, clip: unpacked(said.clip) }, wanted);
    else if (answer.status === 429) tell("", words.busy);
    else tell("", words.refused, said.error);
  } catch {
    tell("", words.offline);
  }
  at("submit").removeAttribute("aria-disabled");
}

/** A clip as the player takes it, from one whose numbers are packed. */
function unpacked(clip) {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const numbers = new DataView(bytes(clip.positions).buffer);
  const seen = bytes(clip.confidence);
  const joints = clip.joints.length;
  const each = (count, make) => Array.from({ length: count }, (_, index) => make(index));
  const at = (place) => clip.scale * numbers.getInt16(2 * place, true);
  return {
    ...clip,
    positions: each(clip.frames, (time) => each(joints, (joint) => (
      each(3, (axis) => at(3 * (time * joints + joint) + axis))))),
    confidence: each(clip.frames, (time) => each(joints, (joint) => seen[time * joints + joint] / 255)),
  };
}

/** Says how it stands, what is wrong, and the server's own words for it, which are English. */
function tell(status, problem = "", detail = "") {
  at("status").textContent = status;
  const english = document.createElement("span");
  english.lang = "en";
  english.textContent = detail;
  at("problem").replaceChildren(...(problem ? [`${problem} `, english] : []));
}

function show(said, wanted) {
  shown = said;
  at("result").hidden = false;
  at("another").hidden = !offered.languages.find(({ code }) => code === said.language)?.draws;
  head();
  player.load(said.clip);
  performance.mark("shown");
  at("downloads").replaceChildren(...offered.formats.map((format) => {
    const link = document.createElement("a");
    link.href = `clip?${new URLSearchParams({ ...wanted, language: said.language, format })}`;
    link.download = "";
    link.textContent = `.${format}`;
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  history.replaceState(null, "", `#${new URLSearchParams(wanted)}`);
  tell(words.ready.replace("{seconds}", said.seconds.toFixed(1)).replace("{language}", () => nameOf(said.language)));
}

function head() {
  const text = document.createElement("bdi");
  text.textContent = shown.text;
  text.lang = offered.languages.find(({ code }) => code === shown.language).spoken;
  at("heading").replaceChildren(text, ` – ${nameOf(shown.language)}`);
  at("gloss").hidden = !shown.gloss;
  at("gloss").lastElementChild.textContent = shown.gloss ?? "";
}

/** Asks for what a shared link says, after the #. */
function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const text = wanted.get("text") ?? wanted.get("prompt");
  if (!text) return;
  document.querySelector(`[name=kind][value=${wanted.has("text") ? "text" : "prompt"}]`).checked = true;
  offerLanguages();
  at("text").value = text;
  const language = wanted.get("language") ?? "";
  if ([...at("language").options].some((option) => option.value === language)) at("language").value = language;
  const seed = Number(wanted.get("seed"));
  ask(Number.isSafeInteger(seed) && seed > 0 && seed < SEEDS ? seed : 0);
}

/** Asks for the clip on the page by another signer; the link says which one. */
function another() {
  if (at("submit").hasAttribute("aria-disabled")) return;
  const wanted = new URLSearchParams(location.hash.slice(1));
  wanted.set("seed", (Number(wanted.get("seed")) + 1) % SEEDS);
  location.hash = wanted;
}

async function share() {
  try {
    await navigator.clipboard.writeText(location.href);
    tell(words.copied);
  } catch { // no clipboard without a secure connection
    tell(location.href);
  }
}

at("page-language").append(...Object.entries(WORDS).map(([code, { name }]) => {
  const option = new Option(name, code);
  option.lang = code;
  return option;
}));
at("page-language").addEventListener("change", (event) => speak(event.target.value));
for (const radio of document.querySelectorAll("[name=kind]")) {
  radio.addEventListener("change", () => {
    offerLanguages();
    at("language").selectedIndex = 0; // as the question says, unless another is chosen afterwards
  });
}
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!at("submit").hasAttribute("aria-disabled")) ask();
});
at("share").addEventListener("click", share);
at("another").addEventListener("click", another);
speak(pickLanguage(navigator.languages));
try {
  offered = await (await fetch("languages")).json();
  offerLanguages();
  addEventListener("hashchange", follow);
  follow();
  document.body.dataset.ready = "";
} catch {
  tell("", words.offline);
}
