// The annotator: a spectrogram, the events of one recording over it, and a row of fields for each event.
// Drag on the picture for a new event, or press "Add an event"; every field takes the keyboard.

const STEP_S = 0.05; // of a time's field, per press of an arrow

function button(text, action) {
  const made = document.createElement("button");
  made.textContent = text;
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

function render({ model, el }) {
  const box = document.createElement("div");
  box.style.cssText = "position:relative;touch-action:none;cursor:crosshair";
  const image = document.createElement("img");
  image.style.cssText = "display:block;width:100%;height:220px;user-select:none";
  image.draggable = false;
  box.append(image);
  const head = document.createElement("div");
  const player = document.createElement("audio");
  player.controls = true;
  player.style.cssText = "display:block;width:100%";
  const needle = document.createElement("div");
  needle.style.cssText = "position:absolute;top:0;bottom:0;width:2px;background:white;pointer-events:none";
  const rows = document.createElement("div");
  rows.setAttribute("role", "list");
  head.append(button("Add an event", () => add(player.currentTime, player.currentTime + 1)));
  el.append(box, player, head, rows);
  el.dataset.lmSuppressShortcuts = "true"; // in JupyterLab keys would act on cells
  let pictured = null;
  let heard = null;
  let stopAt = null;

  const seconds = () => model.get("duration");
  const events = () => model.get("events").map((e) => [...e]);

  function tell(changed) {
    model.set("events", changed);
    model.save_changes();
  }

  function add(onset, offset) {
    const end = Math.min(seconds(), offset);
    const start = Math.max(0, Math.min(onset, end - STEP_S));
    tell([...events(), [round(start), round(end), model.get("label")]]);
    const made = rows.lastElementChild;
    if (made) made.querySelector("select").focus();
  }

  const round = (time) => Math.round(100 * time) / 100;
  const at = (e) => {
    const place = image.getBoundingClientRect();
    return (seconds() * Math.max(0, Math.min(place.width, e.clientX - place.left))) / place.width;
  };

  function play(onset, offset) {
    player.currentTime = onset;
    stopAt = offset;
    player.play();
  }

  function bar(onset, offset, number) {
    const made = document.createElement("div");
    made.className = "annotator-bar";
    const left = (100 * onset) / seconds();
    const width = (100 * (offset - onset)) / seconds();
    made.style.cssText =
      `position:absolute;top:0;bottom:0;left:${left}%;width:${width}%;box-sizing:border-box;` +
      "border:2px solid white;background:rgba(86,180,233,.3);color:white;font:bold 13px sans-serif;pointer-events:none";
    made.textContent = number;
    return made;
  }

  function field(k, place, name) {
    const made = document.createElement("input");
    Object.assign(made, { type: "number", step: STEP_S, min: 0, max: seconds(), value: events()[k][place] });
    made.setAttribute("aria-label", `${name} of event ${k + 1}, seconds`);
    made.style.width = "6em";
    made.addEventListener("change", () => {
      const changed = events();
      const before = changed[k][place];
      changed[k][place] = round(Math.max(0, Math.min(seconds(), Number(made.value))));
      if (changed[k][1] > changed[k][0]) tell(changed);
      else made.value = before;
    });
    return made;
  }

  function line(event, k) {
    const made = document.createElement("div");
    made.setAttribute("role", "listitem");
    const choice = document.createElement("select");
    choice.setAttribute("aria-label", `class of event ${k + 1}`);
    for (const name of model.get("classes")) choice.append(new Option(name.replaceAll("_", " "), name));
    choice.value = event[2];
    choice.addEventListener("change", () => {
      const changed = events();
      changed[k][2] = choice.value;
      model.set("label", choice.value);
      tell(changed);
    });
    const remove = () => tell(events().filter((_, other) => other !== k));
    made.append(
      `${k + 1} `, choice, " from ", field(k, 0, "onset"), " to ", field(k, 1, "offset"), " s ",
      button("Play", () => play(...events()[k])), button("Remove", remove),
    );
    return made;
  }

  function fill(event, k) {
    const [choice, onset, offset] = rows.children[k].querySelectorAll("select,input");
    [onset.value, offset.value, choice.value] = event;
    onset.max = offset.max = seconds();
  }

  function draw() {
    if (pictured !== model.get("png")) {
      pictured = model.get("png");
      if (image.src) URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(new Blob([pictured], { type: "image/png" }));
      image.alt = model.get("alt");
    }
    if (heard !== model.get("wav")) {
      heard = model.get("wav");
      if (player.src) URL.revokeObjectURL(player.src);
      player.src = URL.createObjectURL(new Blob([heard], { type: "audio/wav" }));
      player.setAttribute("aria-label", model.get("alt"));
    }
    box.querySelectorAll(".annotator-bar").forEach((old) => old.remove());
    const focused = [...rows.querySelectorAll("input,select,button")].indexOf(document.activeElement);
    if (rows.children.length === model.get("events").length) model.get("events").forEach(fill); // focus stays
    else rows.replaceChildren(...model.get("events").map(line));
    model.get("events").forEach(([onset, offset], k) => box.append(bar(onset, offset, k + 1)));
    box.append(needle);
    if (focused >= 0) rows.querySelectorAll("input,select,button")[focused]?.focus();
  }

  let dragged = null;
  box.addEventListener("pointerdown", (e) => {
    dragged = { from: at(e), mark: bar(at(e), at(e), "") };
    box.append(dragged.mark);
    box.setPointerCapture(e.pointerId);
  });
  box.addEventListener("pointermove", (e) => {
    if (!dragged) return;
    dragged.mark.remove();
    dragged.mark = bar(Math.min(dragged.from, at(e)), Math.max(dragged.from, at(e)), "");
    box.append(dragged.mark);
  });
  box.addEventListener("pointerup", (e) => {
    if (!dragged) return;
    const { from, mark } = dragged;
    dragged = null;
    mark.remove();
    if (Math.abs(at(e) - from) >= STEP_S) add(Math.min(from, at(e)), Math.max(from, at(e)));
    else player.currentTime = from;
  });
  player.addEventListener("timeupdate", () => {
    needle.style.left = `${(100 * player.currentTime) / seconds()}%`;
    if (stopAt !== null && player.currentTime >= stopAt) {
      player.pause();
      stopAt = null;
    }
  });
  for (const name of ["events", "png", "wav"]) model.on(`change:${name}`, draw);
  draw();
}

export default { render };
