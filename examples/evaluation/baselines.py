"""Four baselines behind OpenAI's interface: rules that a model should beat, so that the suites here run without one.

    python examples/evaluation/baselines.py --port 8095

words       sentiment by a list of words, counted
overlap     of a passage, the sentence that shares most words with the question
dictionary  German to English word by word
lead        a text's first sentence, which is hard to beat as a summary of news
"""

from __future__ import annotations

import argparse
import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = set("good great love lovely excellent best happy friendly perfect wonderful comfortable dry early well".split())
BAD = set("bad terrible hate awful worst disappointed broken broke poor waste useless missing uncomfortable".split())
GERMAN = dict(
    pair.split("=")
    for pair in (
        "der=the die=the das=the den=the dem=the ein=a ist=is hund=dog schläft=sleeps im=in_the garten=garden wo=where "
        "bahnhof=station ich=I trinke=drink kaffee=coffee ohne=without zucker=sugar fenster=window offen=open wir=we "
        "gehen=go morgen=tomorrow ins=to_the kino=cinema sie=she liest=reads buch=book über=about schiffe=ships es=it "
        "regnet=rains seit=since drei=three tagen=days schlüssel=key liegt=lies auf=on tisch=table kannst=can du=you "
        "mir=me bitte=please helfen=help mein=my bruder=brother wohnt=lives in=in stadt=city brot=bread frisch=fresh "
        "und=and warm=warm kinder=children spielen=play am=at_the fluss=river gestern=yesterday habe=have "
        "meinen=my alten=old lehrer=teacher getroffen=met weil=because kalt=cold war=was blieben=stayed zu=at "
        "hause=home haus=house siehst=see gehört=belongs meiner=my tante=aunt er=he hat=has gesagt=said dass=that "
        "nicht=not kommen=come kann=can brief=letter nie=never gelesen=read wenn=if zeit=time hast=have ruf=call "
        "mich=me an=on zug=train warten=wait verspätung=delay nachdem=after gegessen=eaten hatten=had gingen=went "
        "spazieren=walk"
    ).split()
)


def words(text: str) -> str:
    found = re.findall(r"\w+", text.lower())
    score = sum(word in GOOD for word in found) - sum(word in BAD for word in found)
    return "positive" if score > 0 else "negative"


def overlap(text: str) -> str:
    passage, _, question = text.partition("\n\n")
    wanted = set(re.findall(r"\w+", question.rpartition(": ")[2].lower()))
    return max(_sentences(passage), key=lambda sentence: len(wanted & set(re.findall(r"\w+", sentence.lower()))))


def dictionary(text: str) -> str:
    german = text.partition(": ")[2]
    found = re.sub(r"\w+", lambda m: GERMAN.get(m[0].lower(), m[0]).replace("_", " "), german)
    return found[:1].upper() + found[1:]


def lead(text: str) -> str:
    return _sentences(text.partition(": ")[2])[0]


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.;]) ", text)


RULES = {"words": words, "overlap": overlap, "dictionary": dictionary, "lead": lead}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rule = RULES.get(body["model"])
        if rule is None:
            self.answer(404, {"error": {"message": f"no model {body['model']!r}; there are {sorted(RULES)}"}})
            return
        said = rule(body["messages"][-1]["content"])
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        shape = {"id": "baseline", "object": "chat.completion", "created": int(time.time()), "model": body["model"]}
        self.answer(200, {**shape, "choices": [choice]})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: one line a question would drown the rest."""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8095)
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
