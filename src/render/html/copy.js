// A button that copies, at each command. Without scripts there is none, and the page is complete.
const status = document.createElement("p");
status.className = "unseen";
status.setAttribute("role", "status");
document.querySelector("main").append(status);

const byHand = (text) => {
  const area = document.createElement("textarea");
  area.className = "unseen";
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
};

for (const command of document.querySelectorAll("pre.command")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const text = command.textContent;
    let word = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A page opened from a file may have no clipboard of its own.
      if (!byHand(text)) {
        getSelection().selectAllChildren(command);
        word = "Selected";
      }
    }
    button.focus();
    button.textContent = word;
    status.textContent = word;
    setTimeout(() => {
      button.textContent = "Copy";
      status.textContent = "";
    }, 2000);
  });
  command.after(button);
}
