/** What the player and the page say, in the spoken languages around the eight sign languages. */

const en = {
  name: "English",
  player: "Player", play: "Play", pause: "Pause", position: "Position", speed: "Speed", loop: "Repeat",
  hands: "Hands from the side", turn: "Turn", front: "Front", side: "Side", zoom: "Size",
  figure: "The signer, drawn as a skeleton; drag to turn", closeup: "A hand, seen from the side",
  title: "Text to sign language",
  language: "Sign language", submit: "Sign", working: "Working …",
  ready: "Ready: {seconds} seconds", gloss: "Gloss",
  busy: "Too many people are asking at the moment. Please try again in a few seconds.",
  refused: "This cannot be signed:", offline: "The server does not answer.",
  download: "Download", share: "Copy link", another: "Another signer", copied: "Link copied", pageLanguage: "Language of this page",
  notice: "A computer made this. Spelled words are only a small part of a sign language, the face is missing, and only people who sign can tell whether it is good.",
  api: "For programs",
  asl: "American Sign Language", gsl: "German Sign Language", dsgs: "Swiss German Sign Language",
  lsf_ch: "Swiss French Sign Language", lis_ch: "Swiss Italian Sign Language", lsa: "Argentine Sign Language",
  ksl: "Korean Sign Language", tsl: "Turkish Sign Language",
  typed: "A word, a name, a sentence or a question", spelled: "{text}, fingerspelled in the {alphabet} alphabet", signed: "{text}, in {language}",
  endless: "The clip did not end by itself: this model was trained too little.", instead: "Show “{text}” instead", givenWay: "Written plainly or left out: {marks}",
  no_digits: "Numbers are not recorded, only letters.", no_letters: "This alphabet does not have these letters.", no_empty: "There is nothing to spell here.",
  no_long: "That is longer than what this model has learnt to spell.", no_short: "That is shorter than what this model has learnt to spell.",
  no_language: "This model does not have that sign language.", no_question: "It is not clear what is to be signed. Put it in quotation marks.",
};

const de = {
  name: "Deutsch",
  player: "Abspielen", play: "Abspielen", pause: "Anhalten", position: "Stelle", speed: "Tempo", loop: "Wiederholen",
  hands: "Hände von der Seite", turn: "Drehen", front: "Von vorn", side: "Von der Seite", zoom: "Größe",
  figure: "Die gebärdende Person als Skelett; zum Drehen ziehen", closeup: "Eine Hand von der Seite",
  title: "Text in Gebärdensprache",
  language: "Gebärdensprache", submit: "Gebärden", working: "Einen Moment …",
  ready: "Fertig: {seconds} Sekunden", gloss: "Glosse",
  busy: "Im Augenblick fragen zu viele. Bitte versuchen Sie es in einigen Sekunden noch einmal.",
  refused: "Das lässt sich nicht gebärden:", offline: "Der Server antwortet nicht.",
  download: "Herunterladen", share: "Link kopieren", another: "Eine andere Person", copied: "Link kopiert", pageLanguage: "Sprache dieser Seite",
  notice: "Das hat ein Computer erzeugt. Buchstabierte Wörter sind nur ein kleiner Teil einer Gebärdensprache, das Gesicht fehlt, und ob es gut ist, können nur Menschen beurteilen, die gebärden.",
  api: "Für Programme",
  asl: "Amerikanische Gebärdensprache", gsl: "Deutsche Gebärdensprache", dsgs: "Deutschschweizer Gebärdensprache",
  lsf_ch: "Gebärdensprache der französischen Schweiz", lis_ch: "Gebärdensprache der italienischen Schweiz",
  lsa: "Argentinische Gebärdensprache", ksl: "Koreanische Gebärdensprache", tsl: "Türkische Gebärdensprache",
  typed: "Ein Wort, ein Name oder eine Frage", spelled: "{text}, buchstabiert im {alphabet}-Fingeralphabet", signed: "{text}, in {language}",
  endless: "Der Clip endete nicht von selbst: Dieses Modell ist zu wenig trainiert.", instead: "Stattdessen „{text}“ zeigen", givenWay: "Vereinfacht oder weggelassen: {marks}",
  no_digits: "Zahlen sind nicht aufgenommen, nur Buchstaben.", no_letters: "Dieses Alphabet hat diese Buchstaben nicht.", no_empty: "Hier ist nichts zu buchstabieren.",
  no_long: "Das ist länger, als dieses Modell zu buchstabieren gelernt hat.", no_short: "Das ist kürzer, als dieses Modell zu buchstabieren gelernt hat.",
  no_language: "Diese Gebärdensprache hat das Modell nicht.", no_question: "Es ist nicht klar, was gebärdet werden soll. Setzen Sie es in Anführungszeichen.",
};

const deCH = {
  ...de,
  name: "Deutsch (Schweiz)", zoom: "Grösse",
  instead: "Stattdessen «{text}» zeigen",
};

const fr = {
  name: "Français",
  player: "Lecteur", play: "Lire", pause: "Pause", position: "Position", speed: "Vitesse", loop: "Répéter",
  hands: "Mains de profil", turn: "Tourner", front: "De face", side: "De profil", zoom: "Taille",
  figure: "La personne qui signe, dessinée en squelette ; faites glisser pour tourner", closeup: "Une main, de profil",
  title: "Du texte à la langue des signes",
  language: "Langue des signes", submit: "Signer", working: "Un instant …",
  ready: "Prêt : {seconds} secondes", gloss: "Glose",
  busy: "Trop de demandes en ce moment. Réessayez dans quelques secondes.",
  refused: "Ceci ne peut pas être signé :", offline: "Le serveur ne répond pas.",
  download: "Télécharger", share: "Copier le lien", another: "Une autre personne", copied: "Lien copié", pageLanguage: "Langue de cette page",
  notice: "Ceci est produit par un ordinateur. Épeler des mots n’est qu’une petite partie d’une langue des signes, le visage manque, et seules les personnes qui signent peuvent en juger.",
  api: "Pour les programmes",
  asl: "Langue des signes américaine", gsl: "Langue des signes allemande", dsgs: "Langue des signes suisse-allemande",
  lsf_ch: "Langue des signes suisse romande", lis_ch: "Langue des signes suisse-italienne",
  lsa: "Langue des signes argentine", ksl: "Langue des signes coréenne", tsl: "Langue des signes turque",
  typed: "Un mot, un nom ou une question", spelled: "{text}, épelé dans l’alphabet manuel {alphabet}", signed: "{text}, {language}",
  endless: "La séquence ne s’est pas terminée d’elle-même : ce modèle est trop peu entraîné.", instead: "Montrer plutôt « {text} »", givenWay: "Simplifié ou omis : {marks}",
  no_digits: "Les chiffres ne sont pas enregistrés, seulement les lettres.", no_letters: "Cet alphabet n’a pas ces lettres.", no_empty: "Il n’y a rien à épeler.",
  no_long: "C’est plus long que ce que ce modèle a appris à épeler.", no_short: "C’est plus court que ce que ce modèle a appris à épeler.",
  no_language: "Ce modèle n’a pas cette langue des signes.", no_question: "On ne voit pas ce qui doit être signé. Mettez-le entre guillemets.",
};

const it = {
  name: "Italiano",
  player: "Lettore", play: "Avvia", pause: "Pausa", position: "Posizione", speed: "Velocità", loop: "Ripeti",
  hands: "Mani di lato", turn: "Ruota", front: "Di fronte", side: "Di lato", zoom: "Dimensione",
  figure: "La persona che segna, disegnata come scheletro; trascinare per ruotare", closeup: "Una mano vista di lato",
  title: "Dal testo alla lingua dei segni",
  language: "Lingua dei segni", submit: "Segna", working: "Un momento …",
  ready: "Pronto: {seconds} secondi", gloss: "Glossa",
  busy: "Ci sono troppe richieste in questo momento. Riprova tra qualche secondo.",
  refused: "Questo non si può segnare:", offline: "Il server non risponde.",
  download: "Scarica", share: "Copia il link", another: "Un’altra persona", copied: "Link copiato", pageLanguage: "Lingua di questa pagina",
  notice: "È prodotto da un computer. Le parole compitate sono solo una piccola parte di una lingua dei segni, il volto manca, e solo chi segna può giudicare se va bene.",
  api: "Per i programmi",
  asl: "Lingua dei segni americana", gsl: "Lingua dei segni tedesca", dsgs: "Lingua dei segni svizzero-tedesca",
  lsf_ch: "Lingua dei segni della Svizzera romanda", lis_ch: "Lingua dei segni della Svizzera italiana",
  lsa: "Lingua dei segni argentina", ksl: "Lingua dei segni coreana", tsl: "Lingua dei segni turca",
  typed: "Una parola, un nome o una domanda", spelled: "{text}, compitato nell’alfabeto manuale {alphabet}", signed: "{text}, {language}",
  endless: "La sequenza non è finita da sola: questo modello è addestrato troppo poco.", instead: "Mostra invece «{text}»", givenWay: "Semplificato o tralasciato: {marks}",
  no_digits: "I numeri non sono registrati, solo le lettere.", no_letters: "Questo alfabeto non ha queste lettere.", no_empty: "Qui non c’è niente da compitare.",
  no_long: "È più lungo di ciò che questo modello ha imparato a compitare.", no_short: "È più corto di ciò che questo modello ha imparato a compitare.",
  no_language: "Questo modello non ha quella lingua dei segni.", no_question: "Non è chiaro che cosa segnare. Mettilo tra virgolette.",
};

const es = {
  name: "Español",
  player: "Reproductor", play: "Reproducir", pause: "Pausa", position: "Posición", speed: "Velocidad", loop: "Repetir",
  hands: "Manos de lado", turn: "Girar", front: "De frente", side: "De lado", zoom: "Tamaño",
  figure: "La persona que seña, dibujada como esqueleto; arrastre para girar", closeup: "Una mano vista de lado",
  title: "De texto a lengua de señas",
  language: "Lengua de señas", submit: "Señar", working: "Un momento …",
  ready: "Listo: {seconds} segundos", gloss: "Glosa",
  busy: "Hay demasiadas consultas en este momento. Inténtelo de nuevo en unos segundos.",
  refused: "Esto no se puede señar:", offline: "El servidor no responde.",
  download: "Descargar", share: "Copiar enlace", another: "Otra persona", copied: "Enlace copiado", pageLanguage: "Idioma de esta página",
  notice: "Lo ha hecho un ordenador. Las palabras deletreadas son solo una pequeña parte de una lengua de señas, falta la cara, y solo quienes señan pueden juzgar si está bien.",
  api: "Para programas",
  asl: "Lengua de señas americana", gsl: "Lengua de señas alemana", dsgs: "Lengua de señas suizo-alemana",
  lsf_ch: "Lengua de señas suizo-francesa", lis_ch: "Lengua de señas suizo-italiana",
  lsa: "Lengua de señas argentina", ksl: "Lengua de señas coreana", tsl: "Lengua de señas turca",
  typed: "Una palabra, un nombre o una pregunta", spelled: "{text}, deletreado en el alfabeto manual {alphabet}", signed: "{text}, {language}",
  endless: "La secuencia no terminó por sí misma: este modelo está poco entrenado.", instead: "Mostrar «{text}» en su lugar", givenWay: "Simplificado u omitido: {marks}",
  no_digits: "Los números no están grabados, solo las letras.", no_letters: "Este alfabeto no tiene estas letras.", no_empty: "Aquí no hay nada que deletrear.",
  no_long: "Es más largo que lo que este modelo ha aprendido a deletrear.", no_short: "Es más corto que lo que este modelo ha aprendido a deletrear.",
  no_language: "Este modelo no tiene esa lengua de señas.", no_question: "No está claro qué hay que señar. Póngalo entre comillas.",
};

const ko = {
  name: "한국어",
  player: "재생기", play: "재생", pause: "일시정지", position: "위치", speed: "속도", loop: "반복",
  hands: "옆에서 본 손", turn: "돌리기", front: "앞", side: "옆", zoom: "크기",
  figure: "뼈대로 그린 수어 동작, 끌어서 돌릴 수 있습니다", closeup: "옆에서 본 손",
  title: "글을 수어로",
  language: "수어", submit: "수어로 보기", working: "잠시만요 …",
  ready: "준비됨: {seconds}초", gloss: "글로스",
  busy: "지금 요청이 너무 많습니다. 몇 초 뒤에 다시 해 보세요.",
  refused: "수어로 나타낼 수 없습니다:", offline: "서버가 응답하지 않습니다.",
  download: "내려받기", share: "링크 복사", another: "다른 사람", copied: "링크를 복사했습니다", pageLanguage: "이 페이지의 언어",
  notice: "컴퓨터가 만든 동작입니다. 지문자는 수어의 작은 부분일 뿐이고 얼굴 표정이 없으며, 잘되었는지는 수어를 쓰는 사람만이 판단할 수 있습니다.",
  api: "프로그램용",
  asl: "미국수어", gsl: "독일수어", dsgs: "스위스 독일어권 수어", lsf_ch: "스위스 프랑스어권 수어",
  lis_ch: "스위스 이탈리아어권 수어", lsa: "아르헨티나수어", ksl: "한국수어", tsl: "튀르키예수어",
  typed: "단어, 이름 또는 질문", spelled: "{text}, {alphabet} 지문자", signed: "{text}, {language}",
  endless: "동작이 스스로 끝나지 않았습니다. 이 모델은 학습이 부족합니다.", instead: "대신 ‘{text}’ 보기", givenWay: "단순하게 쓰거나 뺀 글자: {marks}",
  no_digits: "숫자는 녹화되어 있지 않고 글자만 있습니다.", no_letters: "이 지문자에는 그런 글자가 없습니다.", no_empty: "나타낼 글자가 없습니다.",
  no_long: "이 모델이 배운 것보다 깁니다.", no_short: "이 모델이 배운 것보다 짧습니다.",
  no_language: "이 모델에는 그 수어가 없습니다.", no_question: "무엇을 수어로 나타낼지 알 수 없습니다. 따옴표로 묶어 주세요.",
};

const tr = {
  name: "Türkçe",
  player: "Oynatıcı", play: "Oynat", pause: "Duraklat", position: "Konum", speed: "Hız", loop: "Tekrarla",
  hands: "Eller yandan", turn: "Döndür", front: "Önden", side: "Yandan", zoom: "Boyut",
  figure: "İskelet olarak çizilmiş işaretçi; döndürmek için sürükleyin", closeup: "Yandan görülen bir el",
  title: "Metinden işaret diline",
  language: "İşaret dili", submit: "Göster", working: "Bir dakika …",
  ready: "Hazır: {seconds} saniye", gloss: "Glos",
  busy: "Şu anda çok fazla istek var. Lütfen birkaç saniye sonra yeniden deneyin.",
  refused: "Bu gösterilemiyor:", offline: "Sunucu yanıt vermiyor.",
  download: "İndir", share: "Bağlantıyı kopyala", another: "Başka biri", copied: "Bağlantı kopyalandı", pageLanguage: "Bu sayfanın dili",
  notice: "Bunu bir bilgisayar üretti. Harf harf yazılan sözcükler bir işaret dilinin yalnızca küçük bir parçasıdır, yüz eksiktir ve iyi olup olmadığına ancak işaret dili kullananlar karar verebilir.",
  api: "Programlar için",
  asl: "Amerikan İşaret Dili", gsl: "Alman İşaret Dili", dsgs: "İsviçre Alman İşaret Dili",
  lsf_ch: "İsviçre Fransız İşaret Dili", lis_ch: "İsviçre İtalyan İşaret Dili", lsa: "Arjantin İşaret Dili",
  ksl: "Kore İşaret Dili", tsl: "Türk İşaret Dili",
  typed: "Bir sözcük, bir ad ya da bir soru", spelled: "{text}, {alphabet} parmak alfabesiyle", signed: "{text}, {language}",
  endless: "Görüntü kendiliğinden bitmedi: bu model yeterince eğitilmemiş.", instead: "Onun yerine “{text}” göster", givenWay: "Yalınlaştırılan ya da atlanan: {marks}",
  no_digits: "Sayılar kaydedilmemiştir, yalnızca harfler vardır.", no_letters: "Bu alfabede bu harfler yok.", no_empty: "Burada harflenecek bir şey yok.",
  no_long: "Bu, modelin öğrendiğinden daha uzun.", no_short: "Bu, modelin öğrendiğinden daha kısa.",
  no_language: "Bu modelde o işaret dili yok.", no_question: "Neyin gösterileceği anlaşılmıyor. Tırnak içine alın.",
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
