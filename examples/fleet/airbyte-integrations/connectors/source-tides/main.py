from source_tides.run import main

if __name__ == "__main__":
    main()
