// Every word the page says, in one place.

const number = new Intl.NumberFormat();

export const strings = {
  name: "Parley",
  skip: "Skip to the message box",
  you: "You",

  // Conversations
  rooms: "Conversations",
  newRoom: "New conversation",
  untitled: "New conversation",
  openList: "Open the list of conversations",
  closeList: "Close the list of conversations",
  rename: (title) => `Rename “${title}”`,
  renameField: "Name of the conversation",
  remove: (title) => `Delete “${title}”`,
  unread: "new answer",
  noRooms: "What you talk about is listed here.",
  today: "Today",
  yesterday: "Yesterday",
  lastWeek: "The last seven days",
  older: "Earlier",
  confirmTitle: "Delete this conversation?",
  confirmText: (title) => `“${title}” and everything in it will be gone, and Parley will forget it.`,
  confirmYes: "Delete",
  confirmNo: "Keep it",
  removedElsewhere: "This conversation was deleted.",

  // The first screen
  welcome: "What’s on your mind?",
  welcomeText: "Ask, show or say it. Parley chats, looks at pictures, draws them, and listens to voice notes.",
  examples: [
    { icon: "chat", title: "Talk something through", text: "Why is the sea salty, but lakes are not?", does: "send" },
    { icon: "picture", title: "Show a picture", text: "Drop one anywhere, or choose one", does: "picture" },
    { icon: "pencil", title: "Have one drawn", text: "Draw a fox reading a map by lamplight", does: "send" },
    { icon: "microphone", title: "Say it aloud", text: "Record a voice note", does: "record" },
  ],
  practiceTitle: "This is the practice model.",
  practiceText:
    "It shows how everything works, but it understands nothing. For real answers set OPENAI_API_KEY and start Parley again.",

  // Messages
  messages: "Messages",
  earlier: "Show earlier messages",
  newest: "Newest",
  writing: "Parley is writing",
  working: "Still writing",
  answered: (text) => `Parley: ${text}`,
  answeredElsewhere: (title) => `Parley has answered in “${title}”.`,
  actions: "With this answer",
  offers: "What can follow",
  buttons: {
    regenerate: "Answer anew",
    continue: "Continue",
    good: "A good answer",
    bad: "A bad answer",
  },
  reason: "What was wrong with it?",
  reasonExample: "What was wrong with it? (if you like)",
  sendReason: "Tell",
  reply: "Reply to this",
  more: "More to do with this",
  copy: "Copy",
  copyAnswer: "Copy the answer",
  copyCode: "Copy the code",
  copied: "Copied",
  code: "code",
  codeBlock: "Code",
  tableBlock: "Table",
  inReply: (text) => `In reply to “${text}”`,
  inReplyToAnswer: (text) => `In reply to Parley: “${text}”`,
  inReplyToFile: "In reply to a file",
  inReplyToPicture: "In reply to your picture",
  inReplyToDrawn: "In reply to this picture",
  unreply: "Do not reply to it",
  unfinished: "Unfinished picture",
  saidAt: (who, time) => `${who}, ${time}`,
  thatMessage: "that message",
  picture: "Picture",
  enlarge: (alt) => `Enlarge: ${alt}`,
  viewer: "Picture",
  close: "Close",
  save: "Save",
  saveFile: (name, size) => `Save ${name}, ${size}`,
  play: (name) => `Play ${name}`,
  pause: (name) => `Pause ${name}`,
  seek: (name) => `Position in ${name}`,

  // Writing one
  compose: "Message",
  placeholder: "Ask, show or say anything…",
  hint: "Enter sends, Shift + Enter begins a new line",
  attach: "Attach files",
  attached: "Attached files",
  detach: (name) => `Remove ${name}`,
  drop: "Drop it here",
  send: "Send",
  stop: "Stop",
  stopping: "Stopping…",
  sending: (percent) => `Sending, ${percent} %`,
  retry: "Try again",
  dismiss: "Dismiss",
  caution: "Answers come from a language model and can be wrong. Check what matters.",
  tooMany: (most) => `A message may carry ${most} files. Send the others with the next one.`,
  tooLarge: (name, most) => `“${name}” is too large: a file may have ${most}.`,
  fileGone: (name) => `“${name}” is not there any more.`,
  emptyFile: (name) => `“${name}” is empty. Choose another file.`,
  tooLong: (most) => `A message may have ${number.format(most)} characters. Attach the rest as a file.`,
  notStopped: "There was nothing left to stop.",

  // Commands
  command: "Commands",
  commands: "Commands",
  commandsFound: (number) => (number === 1 ? "One command. Enter takes it." : `${number} commands. Arrow keys choose, Enter takes one.`),
  commandAsked: (name) => `What “${name}” asks for`,
  dropCommand: (name) => `Do without “${name}”`,
  yesNo: (yes) => (yes ? "yes" : "no"),

  // Forms
  fieldName: (name) => sentenceCase(name.replaceAll(/[_-]/g, " ")),
  choiceName: (name) => (name.includes(":") ? name : sentenceCase(name)), // a model is written as it is called
  fieldNeeded: (description) => `Please fill this in: ${description}.`,
  wrongNumber: (whole, least, most) =>
    `This has to be ${whole ? "a whole number" : "a number"}${least === null ? "" : ` from ${least}`}${most === null ? "" : ` to ${most}`}.`,

  // Settings
  settings: "Settings",
  scope: "What these settings are for",
  everywhere: "All conversations",
  onlyHere: (title) => `Only “${title}”`,
  settingsOf: (number) => (number === 1 ? "One setting" : `${number} settings`),
  skillOn: (name) => `“${name}” can be used`,
  saveSettings: "Save",
  settingsSaved: "Saved.",
  settingsWhere: "Where",
  settingsChannel: "Channel",
  thisPage: "This page",
  community: (platform, name) => `${strings.platformNames[platform] ?? platform}: ${name}`,
  wholeCommunity: "All channels",
  rolesThere: "Roles",
  origins: { here: "Set for this conversation only", community: "Set for all conversations" },
  originsElsewhere: { here: "Set for this channel only", community: "Set for all channels" },
  takeBack: { here: "Use what goes for all", community: "Use what is usual" },

  // Voice notes
  record: "Record a voice note",
  recording: "Recording",
  recordingLength: "Length",
  cancelRecording: "Discard",
  sendRecording: "Send voice note",
  voiceNote: "Voice note",
  noMicrophone: "Browsers record only on pages of this machine or over https. Attach a sound file instead.",
  microphoneDenied: "The microphone is not available. Allow it for this page, or attach a sound file instead.",
  nothingRecorded: "Nothing was recorded. Check the microphone and try again.",

  // The connection
  lost: "The connection to Parley is lost. Trying again…",
  unreachable: "Parley cannot be reached. Is it still running?",
  locked: "This page’s key is not valid any more. Open the address that “parley run” printed.",
  failed: (status) => `Parley answered with an error (${status}). Try again.`,

  // What is on
  aboutTitle: "What is on",
  statusUnknown: "Connecting…",
  statusPractice: "Practice model",
  statusNone: "No model",
  model: "Model",
  platforms: "Where it answers",
  skills: "What it can do",
  on: "on",
  off: "off",
  platformNames: { web: "This page", discord: "Discord", teams: "Microsoft Teams", console: "Terminal" },
  roles: {
    chat: "Chat",
    vision: "Looking at pictures",
    image: "Drawing",
    speech: "Listening",
    embed: "Searching",
    moderate: "Screening",
  },
  version: (version) => `Parley ${version}`,
};

const sentenceCase = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

const UNITS = ["bytes", "KB", "MB", "GB"];

export function sizeOf(bytes) {
  const step = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log(bytes) / Math.log(1024)), 3) || 1;
  const value = bytes / 1024 ** step;
  return `${value.toFixed(step && value < 9.95 ? 1 : 0)} ${UNITS[step]}`;
}

export function lengthOf(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export const timeOf = (at) => clock.format(new Date(at));

export function dayOf(at) {
  const days = daysAgo(at);
  return days <= 0 ? strings.today : days === 1 ? strings.yesterday : day.format(new Date(at));
}

export function ageOf(at) {
  const days = daysAgo(at);
  return days <= 0 ? strings.today : days === 1 ? strings.yesterday : days < 7 ? strings.lastWeek : strings.older;
}

function daysAgo(at) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(new Date()) - midnight(new Date(at))) / 86_400_000);
}
