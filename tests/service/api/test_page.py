"""The page asks nobody else for anything."""

import re


def test_the_page_and_its_files_come_from_here_under_a_strict_policy(client):
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    asked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert asked == ["data:,", "/static/page.css", "/static/page.js"]
    for path in asked[1:]:
        found = client.get(path)
        assert found.status_code == 200
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", found.text)
