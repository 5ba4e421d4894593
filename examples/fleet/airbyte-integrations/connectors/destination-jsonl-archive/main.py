from destination_jsonl_archive.run import main

if __name__ == "__main__":
    main()
