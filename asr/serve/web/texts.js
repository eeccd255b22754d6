// Every text of the page, in each language that it speaks.

export const TEXTS = {
  en: {
    title: "Speech to text",
    language: "Language of this page",
    add: "Add recordings",
    drop: "Drop recordings here, or choose them",
    choose: "Choose files",
    record: "Record",
    stop: "Stop",
    private: "Recordings go to this server and nowhere else.",
    settings: "Settings",
    model: "Model",
    anyModel: "chosen by the service",
    hotwords: "Names and terms to listen for",
    hotwordsHint: "Ishmael, white whale",
    punctuation: "Punctuation and capitals",
    numbers: "Numbers in figures",
    speakers: "Tell speakers apart",
    numSpeakers: "How many speakers",
    numSpeakersHint: "as many as are found",
    speakerName: "Speaker; type a name to rename",
    renamed: "{before} is now {after}",
    transcripts: "Transcripts",
    api: "API for programs",
    keyTitle: "This service asks for a key",
    keyLabel: "API key",
    go: "Continue",
    cancel: "Cancel",
    again: "Transcribe again",
    remove: "Remove",
    search: "Search",
    matches: "{here} of {count}",
    noMatch: "not found",
    edit: "Edit",
    copy: "Copy",
    copied: "Copied",
    save: "Save as",
    words: "Transcript of {name}",
    wordsHint: "Click a word to play from there. Keys: arrows choose a word, Enter plays from it.",
    paragraphAt: "Paragraph at {time}",
    playFrom: "Play from {time}",
    unsure: "Underlined words are less sure.",
    nothing: "No speech was recognised.",
    facts: "{time} · {count} words · {model}",
    waiting: "waiting",
    sending: "sending",
    queued: "waiting for the service",
    running: "transcribing",
    done: "{name}: done",
    failed: "{name}: {reason}",
    unplayable: "This browser cannot play this file. The transcript is complete.",
    offline: "The service does not answer. Is it running?",
    refused: "The service answered {status}.",
    stopped: "Stopped.",
    listening: "Listening. Speak now.",
    recording: "Recording {time}",
    needsHttps: "The browser gives the microphone only to pages opened by https or on this " +
      "computer (localhost). Open this page through https, or choose a file.",
    microphoneDenied: "The browser was not allowed to use the microphone. Allow it for this page.",
    noMicrophone: "No microphone was found.",
    keep: "Keep for learning",
    kept: "Kept",
    learning: "Learn from corrections",
    keptCount: "{count} corrected recordings are kept on this server.",
    leastCertain: "Least certain first",
    learn: "Learn now",
    stage_preparing: "preparing recordings",
    stage_before: "measuring the model",
    stage_training: "training",
    stage_after: "measuring the new model",
    gain: "Words wrong on recordings that were kept apart: {before} % before, {after} % after",
    interval: "(difference {low} to {high} points, 95 % interval).",
    noInterval: "(too few recordings to say whether that is chance).",
    accepted: "The new model is accepted: {folder}.",
    worse: "The new model makes more errors and is refused.",
    learnFailed: "Learning failed: {error}",
  },
  zh: {
    title: "语音转文字",
    language: "页面语言",
    add: "添加录音",
    drop: "将录音拖放到此处，或选择文件",
    choose: "选择文件",
    record: "录音",
    stop: "停止",
    private: "录音只会发送到本服务器。",
    settings: "设置",
    model: "模型",
    anyModel: "由服务选择",
    hotwords: "需要留意的人名和术语",
    hotwordsHint: "Ishmael, white whale",
    punctuation: "标点和大小写",
    numbers: "数字写成阿拉伯数字",
    speakers: "区分说话人",
    numSpeakers: "说话人数",
    numSpeakersHint: "自动判断",
    speakerName: "说话人，可输入姓名改名",
    renamed: "{before} 已改名为 {after}",
    transcripts: "转写结果",
    api: "程序接口（API）",
    keyTitle: "此服务需要密钥",
    keyLabel: "API 密钥",
    go: "继续",
    cancel: "取消",
    again: "重新转写",
    remove: "移除",
    search: "搜索",
    matches: "第 {here} 处，共 {count} 处",
    noMatch: "未找到",
    edit: "编辑",
    copy: "复制",
    copied: "已复制",
    save: "另存为",
    words: "{name} 的文字",
    wordsHint: "点击词语即从该处播放。键盘：方向键选择词语，回车键播放。",
    paragraphAt: "{time} 处的段落",
    playFrom: "从 {time} 播放",
    unsure: "带下划线的词把握较小。",
    nothing: "没有识别到语音。",
    facts: "{time} · {count} 词 · {model}",
    waiting: "等待中",
    sending: "正在发送",
    queued: "等待服务处理",
    running: "正在转写",
    done: "{name}：完成",
    failed: "{name}：{reason}",
    unplayable: "此浏览器无法播放该文件，但文字是完整的。",
    offline: "服务没有响应。它在运行吗？",
    refused: "服务返回了 {status}。",
    stopped: "已停止。",
    listening: "正在聆听，请讲话。",
    recording: "录音 {time}",
    needsHttps: "浏览器只允许通过 https 或本机（localhost）打开的页面使用麦克风。" +
      "请通过 https 打开本页，或选择文件。",
    microphoneDenied: "浏览器未获准使用麦克风。请允许本页使用。",
    noMicrophone: "没有找到麦克风。",
    keep: "保留用于学习",
    kept: "已保留",
    learning: "从更正中学习",
    keptCount: "本服务器保留了 {count} 条更正过的录音。",
    leastCertain: "把握最小的在前",
    learn: "开始学习",
    stage_preparing: "正在准备录音",
    stage_before: "正在测量原模型",
    stage_training: "正在训练",
    stage_after: "正在测量新模型",
    gain: "在预留录音上的错词率：之前 {before} %，之后 {after} %",
    interval: "（差 {low} 至 {high} 个百分点，95 % 区间）。",
    noInterval: "（录音太少，无法判断是否偶然）。",
    accepted: "新模型已接受：{folder}。",
    worse: "新模型错误更多，已被拒绝。",
    learnFailed: "学习失败：{error}",
  },
};

let language = "en";

/** Speak a language from now on: the one that was chosen, or the first of the browser's. */
export function speak(chosen) {
  const wanted = [chosen, ...navigator.languages].map((code) => (code || "").slice(0, 2));
  language = wanted.find((code) => code in TEXTS) ?? "en";
  document.documentElement.lang = language;
  document.title = text("title");
  translate(document);
  return language;
}

/** Return a text, its {names} replaced by values. */
export function text(name, values = {}) {
  return TEXTS[language][name].replace(/{(\w+)}/g, (_, key) => values[key]);
}

/** Fill in the texts of elements: data-text, data-label (for screen readers), data-hint. */
export function translate(root) {
  const each = (name, set) => {
    for (const element of root.querySelectorAll(`[data-${name}]`)) {
      set(element, text(element.dataset[name]));
    }
  };
  each("text", (element, value) => { element.textContent = value; });
  each("label", (element, value) => { element.ariaLabel = value; });
  each("hint", (element, value) => { element.placeholder = value; });
}
