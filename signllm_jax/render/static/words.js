/** What the player and the page say, in the spoken languages around the eight sign languages. */

const en = {
  name: "English",
  player: "Player", play: "Play", pause: "Pause", position: "Position", speed: "Speed", loop: "Repeat",
  hands: "Hands from the side", turn: "Turn", front: "Front", side: "Side", zoom: "Size",
  figure: "The signer, drawn as a skeleton; drag to turn", closeup: "A hand, seen from the side",
  title: "Text to sign language", intro: "Type a word and see it signed.",
  kind: "What you type", text: "Text", question: "A question, such as: How do you sign “hello” in ASL?",
  language: "Sign language", asked: "as the question says", submit: "Sign", working: "Working …",
  ready: "Ready: {seconds} seconds of {language}", gloss: "Gloss",
  busy: "Too many people are asking at the moment. Please try again in a few seconds.",
  refused: "This cannot be signed:", offline: "The server does not answer.",
  download: "Download", share: "Copy link", another: "Another signer", copied: "Link copied", pageLanguage: "Language of this page",
  notice: "A computer made this. Spelled words are only a small part of a sign language, the face is missing, and only people who sign can tell whether it is good.",
  api: "For programs",
  asl: "American Sign Language", gsl: "German Sign Language", dsgs: "Swiss German Sign Language",
  lsf_ch: "Swiss French Sign Language", lis_ch: "Swiss Italian Sign Language", lsa: "Argentine Sign Language",
  ksl: "Korean Sign Language", tsl: "Turkish Sign Language",
};

const de = {
  name: "Deutsch",
  player: "Abspielen", play: "Abspielen", pause: "Anhalten", position: "Stelle", speed: "Tempo", loop: "Wiederholen",
  hands: "Hände von der Seite", turn: "Drehen", front: "Von vorn", side: "Von der Seite", zoom: "Größe",
  figure: "Die gebärdende Person als Skelett; zum Drehen ziehen", closeup: "Eine Hand von der Seite",
  title: "Text in Gebärdensprache", intro: "Geben Sie ein Wort ein und sehen Sie es gebärdet.",
  kind: "Ihre Eingabe", text: "Text", question: "Eine Frage, etwa: Wie gebärdet man „Hallo“ in DGS?",
  language: "Gebärdensprache", asked: "wie in der Frage", submit: "Gebärden", working: "Einen Moment …",
  ready: "Fertig: {seconds} Sekunden {language}", gloss: "Glosse",
  busy: "Im Augenblick fragen zu viele. Bitte versuchen Sie es in einigen Sekunden noch einmal.",
  refused: "Das lässt sich nicht gebärden:", offline: "Der Server antwortet nicht.",
  download: "Herunterladen", share: "Link kopieren", another: "Eine andere Person", copied: "Link kopiert", pageLanguage: "Sprache dieser Seite",
  notice: "Das hat ein Computer erzeugt. Buchstabierte Wörter sind nur ein kleiner Teil einer Gebärdensprache, das Gesicht fehlt, und ob es gut ist, können nur Menschen beurteilen, die gebärden.",
  api: "Für Programme",
  asl: "Amerikanische Gebärdensprache", gsl: "Deutsche Gebärdensprache", dsgs: "Deutschschweizer Gebärdensprache",
  lsf_ch: "Gebärdensprache der französischen Schweiz", lis_ch: "Gebärdensprache der italienischen Schweiz",
  lsa: "Argentinische Gebärdensprache", ksl: "Koreanische Gebärdensprache", tsl: "Türkische Gebärdensprache",
};

const deCH = {
  ...de,
  name: "Deutsch (Schweiz)", zoom: "Grösse",
  question: "Eine Frage, etwa: Wie gebärdet man «Hallo» in DSGS?",
};

const fr = {
  name: "Français",
  player: "Lecteur", play: "Lire", pause: "Pause", position: "Position", speed: "Vitesse", loop: "Répéter",
  hands: "Mains de profil", turn: "Tourner", front: "De face", side: "De profil", zoom: "Taille",
  figure: "La personne qui signe, dessinée en squelette ; faites glisser pour tourner", closeup: "Une main, de profil",
  title: "Du texte à la langue des signes", intro: "Écrivez un mot et voyez-le signé.",
  kind: "Ce que vous écrivez", text: "Texte", question: "Une question, par exemple : Comment signe-t-on « bonjour » en LSF ?",
  language: "Langue des signes", asked: "celle de la question", submit: "Signer", working: "Un instant …",
  ready: "Prêt : {seconds} secondes, {language}", gloss: "Glose",
  busy: "Trop de demandes en ce moment. Réessayez dans quelques secondes.",
  refused: "Ceci ne peut pas être signé :", offline: "Le serveur ne répond pas.",
  download: "Télécharger", share: "Copier le lien", another: "Une autre personne", copied: "Lien copié", pageLanguage: "Langue de cette page",
  notice: "Ceci est produit par un ordinateur. Épeler des mots n’est qu’une petite partie d’une langue des signes, le visage manque, et seules les personnes qui signent peuvent en juger.",
  api: "Pour les programmes",
  asl: "Langue des signes américaine", gsl: "Langue des signes allemande", dsgs: "Langue des signes suisse-allemande",
  lsf_ch: "Langue des signes suisse romande", lis_ch: "Langue des signes suisse-italienne",
  lsa: "Langue des signes argentine", ksl: "Langue des signes coréenne", tsl: "Langue des signes turque",
};

const it = {
  name: "Italiano",
  player: "Lettore", play: "Avvia", pause: "Pausa", position: "Posizione", speed: "Velocità", loop: "Ripeti",
  hands: "Mani di lato", turn: "Ruota", front: "Di fronte", side: "Di lato", zoom: "Dimensione",
  figure: "La persona che segna, disegnata come scheletro; trascinare per ruotare", closeup: "Una mano vista di lato",
  title: "Dal testo alla lingua dei segni", intro: "Scrivi una parola e guardala nei segni.",
  kind: "Che cosa scrivi", text: "Testo", question: "Una domanda, per esempio: Come si segna «ciao» in LIS?",
  language: "Lingua dei segni", asked: "quella della domanda", submit: "Segna", working: "Un momento …",
  ready: "Pronto: {seconds} secondi, {language}", gloss: "Glossa",
  busy: "Ci sono troppe richieste in questo momento. Riprova tra qualche secondo.",
  refused: "Questo non si può segnare:", offline: "Il server non risponde.",
  download: "Scarica", share: "Copia il link", another: "Un’altra persona", copied: "Link copiato", pageLanguage: "Lingua di questa pagina",
  notice: "È prodotto da un computer. Le parole compitate sono solo una piccola parte di una lingua dei segni, il volto manca, e solo chi segna può giudicare se va bene.",
  api: "Per i programmi",
  asl: "Lingua dei segni americana", gsl: "Lingua dei segni tedesca", dsgs: "Lingua dei segni svizzero-tedesca",
  lsf_ch: "Lingua dei segni della Svizzera romanda", lis_ch: "Lingua dei segni della Svizzera italiana",
  lsa: "Lingua dei segni argentina", ksl: "Lingua dei segni coreana", tsl: "Lingua dei segni turca",
};

const es = {
  name: "Español",
  player: "Reproductor", play: "Reproducir", pause: "Pausa", position: "Posición", speed: "Velocidad", loop: "Repetir",
  hands: "Manos de lado", turn: "Girar", front: "De frente", side: "De lado", zoom: "Tamaño",
  figure: "La persona que seña, dibujada como esqueleto; arrastre para girar", closeup: "Una mano vista de lado",
  title: "De texto a lengua de señas", intro: "Escriba una palabra y véala en señas.",
  kind: "Lo que escribe", text: "Texto", question: "Una pregunta, por ejemplo: ¿Cómo se dice «hola» en LSA?",
  language: "Lengua de señas", asked: "la de la pregunta", submit: "Señar", working: "Un momento …",
  ready: "Listo: {seconds} segundos, {language}", gloss: "Glosa",
  busy: "Hay demasiadas consultas en este momento. Inténtelo de nuevo en unos segundos.",
  refused: "Esto no se puede señar:", offline: "El servidor no responde.",
  download: "Descargar", share: "Copiar enlace", another: "Otra persona", copied: "Enlace copiado", pageLanguage: "Idioma de esta página",
  notice: "Lo ha hecho un ordenador. Las palabras deletreadas son solo una pequeña parte de una lengua de señas, falta la cara, y solo quienes señan pueden juzgar si está bien.",
  api: "Para programas",
  asl: "Lengua de señas americana", gsl: "Lengua de señas alemana", dsgs: "Lengua de señas suizo-alemana",
  lsf_ch: "Lengua de señas suizo-francesa", lis_ch: "Lengua de señas suizo-italiana",
  lsa: "Lengua de señas argentina", ksl: "Lengua de señas coreana", tsl: "Lengua de señas turca",
};

const ko = {
  name: "한국어",
  player: "재생기", play: "재생", pause: "일시정지", position: "위치", speed: "속도", loop: "반복",
  hands: "옆에서 본 손", turn: "돌리기", front: "앞", side: "옆", zoom: "크기",
  figure: "뼈대로 그린 수어 동작, 끌어서 돌릴 수 있습니다", closeup: "옆에서 본 손",
  title: "글을 수어로", intro: "단어를 입력하면 수어로 보여 줍니다.",
  kind: "입력 내용", text: "글", question: "질문, 예: '안녕'을 한국수어로 어떻게 하나요?",
  language: "수어", asked: "질문에 나온 수어", submit: "수어로 보기", working: "잠시만요 …",
  ready: "준비됨: {language} {seconds}초", gloss: "글로스",
  busy: "지금 요청이 너무 많습니다. 몇 초 뒤에 다시 해 보세요.",
  refused: "수어로 나타낼 수 없습니다:", offline: "서버가 응답하지 않습니다.",
  download: "내려받기", share: "링크 복사", another: "다른 사람", copied: "링크를 복사했습니다", pageLanguage: "이 페이지의 언어",
  notice: "컴퓨터가 만든 동작입니다. 지문자는 수어의 작은 부분일 뿐이고 얼굴 표정이 없으며, 잘되었는지는 수어를 쓰는 사람만이 판단할 수 있습니다.",
  api: "프로그램용",
  asl: "미국수어", gsl: "독일수어", dsgs: "스위스 독일어권 수어", lsf_ch: "스위스 프랑스어권 수어",
  lis_ch: "스위스 이탈리아어권 수어", lsa: "아르헨티나수어", ksl: "한국수어", tsl: "튀르키예수어",
};

const tr = {
  name: "Türkçe",
  player: "Oynatıcı", play: "Oynat", pause: "Duraklat", position: "Konum", speed: "Hız", loop: "Tekrarla",
  hands: "Eller yandan", turn: "Döndür", front: "Önden", side: "Yandan", zoom: "Boyut",
  figure: "İskelet olarak çizilmiş işaretçi; döndürmek için sürükleyin", closeup: "Yandan görülen bir el",
  title: "Metinden işaret diline", intro: "Bir sözcük yazın, işaret diliyle görün.",
  kind: "Ne yazıyorsunuz", text: "Metin", question: "Bir soru, örneğin: “Merhaba” TİD'de nasıl söylenir?",
  language: "İşaret dili", asked: "soruda geçen", submit: "Göster", working: "Bir dakika …",
  ready: "Hazır: {seconds} saniye, {language}", gloss: "Glos",
  busy: "Şu anda çok fazla istek var. Lütfen birkaç saniye sonra yeniden deneyin.",
  refused: "Bu gösterilemiyor:", offline: "Sunucu yanıt vermiyor.",
  download: "İndir", share: "Bağlantıyı kopyala", another: "Başka biri", copied: "Bağlantı kopyalandı", pageLanguage: "Bu sayfanın dili",
  notice: "Bunu bir bilgisayar üretti. Harf harf yazılan sözcükler bir işaret dilinin yalnızca küçük bir parçasıdır, yüz eksiktir ve iyi olup olmadığına ancak işaret dili kullananlar karar verebilir.",
  api: "Programlar için",
  asl: "Amerikan İşaret Dili", gsl: "Alman İşaret Dili", dsgs: "İsviçre Alman İşaret Dili",
  lsf_ch: "İsviçre Fransız İşaret Dili", lis_ch: "İsviçre İtalyan İşaret Dili", lsa: "Arjantin İşaret Dili",
  ksl: "Kore İşaret Dili", tsl: "Türk İşaret Dili",
};

export const WORDS = { en, de, "de-CH": deCH, fr, it, es, ko, tr };

/** The first language of a reader's list that there are words for, else English. */
export function pickLanguage(wanted) {
  for (const tag of wanted) {
    const found = Object.keys(WORDS).find((code) => code.toLowerCase() === tag.toLowerCase())
      ?? Object.keys(WORDS).find((code) => code === tag.split("-")[0].toLowerCase());
    if (found) return found;
  }
  return "en";
}
