CREATE VIRTUAL TABLE mail USING fts4(subject, body, tokenize=porter); INSERT INTO mail (docid, subject, body) VALUES (10, 'Hello', 'running fast'), (11, 'Re: Hello', 'x');
