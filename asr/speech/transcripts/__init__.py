"""Words with times: text as people write it, subtitles, speakers, output formats."""
